"""Random text as screens show it: words, labels, numbers, dates, paths, code, codes."""
from pathlib import Path

WORDS = (Path(__file__).resolve().parent.parent / "words.txt").read_text().split()
COMMON = """the of and to in is for on with you your this that be are not can from by have has it as at or an
 will all new one no yes more when was file files name user users password email account settings save cancel open
 close delete edit view help search add remove select error warning failed success loading please try again update
 install download upload back next continue sign log out home page list table date time size type status active
 enabled disabled default general advanced options project team message messages notification order total price
 address city country phone code number line column value key server client request response connection timeout
 invalid required field missing found access denied permission network device storage memory version release
 today yesterday tomorrow week month year minutes seconds hours""".split()
SYMBOLS = "!@#$%^&*()_+-=[]{};:'\",.<>/?\\|`~"
EXTRA = "…–—•’“”×→€£°©·✓"
KEYWORDS = """if else for while return const let var function def class import from export async await try except
 catch throw new null None True False true false int float string self this public private static void struct fn
 impl use match print""".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ALNUM = LETTERS + LETTERS.upper() + "0123456789"


def word(rng):
    return rng.choice(COMMON) if rng.random() < 0.45 else rng.choice(WORDS)


def cased(rng, text):
    r = rng.random()
    if r < 0.45:
        return text
    return text.capitalize() if r < 0.85 else text.upper()


def number(rng):
    form = rng.randrange(9)
    n = rng.randrange(10 ** rng.randint(1, 6))
    return (str(n), f"{n:,}", f"{n / 100:.2f}", f"${n / 100:,.2f}", f"{rng.randrange(101)}%",
            f"{rng.randrange(24):02}:{rng.randrange(60):02}", f"v{rng.randrange(10)}.{rng.randrange(30)}.{rng.randrange(9)}",
            f"#{n}", f"{rng.randrange(1, 999)} {rng.choice(['KB', 'MB', 'GB', 'ms', 's', 'px'])}")[form]


def day(rng):
    return f"{rng.randint(1998, 2031)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def file(rng):
    """A file's name; now and then one without an extension."""
    base = word(rng) + rng.choice(["", "", "-" + word(rng), "_" + word(rng), f"_{rng.randrange(3000)}", f"-{rng.randrange(100)}"])
    return rng.choice([base, base.upper(), base.capitalize(), base]) + rng.choice([".pdf", ".txt", ".jpg", ".png", ".zip", ".tar.gz", ".xlsx", ".csv", ".md", ".c",
                                                                      ".cpp", ".py", ".mp4", ".docx", ""])


def date(rng):
    y, m, d = rng.randint(1998, 2031), rng.randint(1, 12), rng.randint(1, 28)
    month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[m - 1]
    return (f"{y}-{m:02}-{d:02}", f"{d:02}/{m:02}/{y}", f"{month} {d}, {y}", f"{d} {month}",
            f"{y}-{m:02}-{d:02} {rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}")[rng.randrange(5)]


def identifier(rng):
    parts = [word(rng) for _ in range(rng.randint(1, 3))]
    form = rng.randrange(4)
    if form == 0:
        return "_".join(parts)
    if form == 1:
        return parts[0] + "".join(p.capitalize() for p in parts[1:])
    return "-".join(parts) if form == 2 else "".join(p.capitalize() for p in parts)


def path(rng):
    parts = [word(rng) for _ in range(rng.randint(1, 4))]
    ext = rng.choice(["py", "ts", "js", "json", "txt", "md", "png", "html", "log", "css", "cpp"])
    return rng.choice(["/", "./", "~/", "", "C:/", "https://", "src/"]) + "/".join(parts) + rng.choice(["." + ext, "", "." + ext, ".com"])


def email(rng):
    return f"{word(rng)}{rng.choice(['.', '_', ''])}{word(rng)}@{word(rng)}.{rng.choice(['com', 'org', 'net', 'io'])}"


def code(rng):
    a, b = identifier(rng), identifier(rng)
    k = rng.choice(KEYWORDS)
    return (f"{k} {a} = {b}({number(rng)});", f"{k} ({a} {rng.choice(['==', '!=', '<', '>', '&&', '||'])} {b}) {{", f"{a}.{b}({a}, \"{word(rng)}\")",
            f"def {a}({b}={rng.randrange(10)}):", f"{a}: {b}[{rng.randrange(100)}],", f"// {phrase(rng)}",
            f"return {a} + {b}[{rng.randrange(9)}] * {number(rng)}", f"<{a} {b}=\"{word(rng)}\">", f"}} {k} {{")[rng.randrange(9)]


def letters(rng):
    """Random characters: every class appears, and no language helps."""
    r = rng.random()
    if r < 0.5:
        return "".join(rng.choice(ALNUM) for _ in range(rng.randint(1, 8)))
    if r < 0.75:
        return "".join(rng.choice(ALNUM + SYMBOLS) for _ in range(rng.randint(1, 8)))
    return "".join(rng.choice(SYMBOLS + EXTRA) if rng.random() < 0.4 else rng.choice(LETTERS) for _ in range(rng.randint(1, 6)))


def phrase(rng, most=5):
    text = " ".join(word(rng) for _ in range(rng.randint(1, most)))
    return text[0].upper() + text[1:] if rng.random() < 0.6 else text


def sentence(rng):
    return phrase(rng, 9) + rng.choice([".", ".", "!", "?", ",", ":"])


PIECES = [(phrase, 22), (sentence, 14), (lambda r: cased(r, word(r)), 18), (number, 12), (date, 5), (identifier, 7),
          (path, 6), (email, 3), (code, 9), (letters, 14)]


def piece(rng):
    return rng.choices([p for p, _ in PIECES], [w for _, w in PIECES])[0](rng)


def fill(rng, fits):
    """Text made of pieces for as long as `fits(text)` says yes; may be empty."""
    text = ""
    while True:
        more = piece(rng)
        longer = f"{text} {more}" if text else more
        if not fits(longer):
            break
        text = longer
    return text or fit(more, fits)


def fit(text, fits):
    while text and not fits(text):
        text = text[:-1]
    return text.rstrip()
