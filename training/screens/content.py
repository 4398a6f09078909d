"""What screens say: titles, errors, columns, code, logs, traces."""
from starter import wording

ERRORS = """Could not save the file;Connection lost;Invalid password;Access denied;File not found;Out of memory;
Something went wrong;Upload failed;Email is required;Disk is full;Session expired;Server error 500;Page not found;
Permission denied;Network unreachable;Wrong username or password;Payment declined;Update failed;Unknown error;
Request timed out""".replace("\n", "").split(";")
TITLES = """Sign in;Log in;Create account;Delete file?;Save changes?;New project;Checkout;Profile;Dashboard;Orders;Users;
Downloads;Messages;Reports;Billing;Upload;Print;Export;Open file;Find and replace;About;Welcome back;Contact us;
Invoices;Team;Inbox;Calendar;Tasks;Help;Confirm;Unsaved changes;Update available""".replace("\n", "").split(";")
MENUS = "File;Edit;View;Help;Home;About;Docs;Pricing;Blog;Tools;Window;General;Advanced;Security;Details;History;Files;Run;Contact;Account".split(";")
COLUMNS = "Name;Status;Date;Size;Price;Email;Type;Owner;ID;Total;City;Version;Progress".split(";")
STATUS = "Active;Pending;Failed;Done;Open;Closed;Paid;Draft;Running;Stopped".split(";")
CHAT = "General;Support;Team chat;Messages;Family;Project X;Design;Anna;Help desk".split(";")
CODE = {"python": ["def {a}({b}, {c}={n}):", "    if {b} is None:", "        return {c}", "    for {c} in {b}.{a}():", "        print({c}, {n})",
                   "import {a}", "from {a} import {b}", "class {A}:", "    self.{a} = {b}[{n}]", "# {p}", "    raise ValueError(\"{p}\")"],
        "ts": ["const {a} = await {b}({n});", "export function {a}({b}: string) {{", "  if ({a} === {n}) {{", "    return {b}.{c};", "  }}", "}}",
               "import {{ {a} }} from \"./{b}\";", "// {p}", "let {c}: number = {n};", "{a}.map(({b}) => {b}.{c});"],
        "sql": ["SELECT {a}, {b}", "FROM {a}", "WHERE {b} > {n}", "ORDER BY {c};", "  AND {a} = '{b}'", "INSERT INTO {a} ({b}, {c})", "JOIN {a} ON {b} = {c}"],
        "html": ["<{a} class=\"{b}\">", "  <li>{p}</li>", "</{a}>", "<p>{p}</p>", "  <a href=\"/{a}\">{b}</a>"],
        "css": [".{a} {{", "  {b}: {n}px;", "}}", "  color: #{n};"],
        "c": ["int {a}(const char *{b}) {{", "  for (int i = 0; i < {n}; i++)", "    {a}[i] += {b};", "  return {n};", "}}", "#include <{a}.h>", "static float {c} = {n}.0f;"]}
LEVELS = ["INFO", "INFO", "DEBUG", "WARN", "ERROR"]
LOG_FORMS = ["{clock} {level} {said}", "[{level}] {name}: {said}", "{day} {clock} {level} {said} {n}", "{day} {clock} {level} {said}",
             "{clock} {said} {n}", "{day} {clock},{n} {level} {name} {said}", "{level}: {said} ({n} ms)", "[{clock}] {name}: {said}"]


def title(rng):
    return rng.choice(TITLES) if rng.random() < 0.6 else wording.phrase(rng, 3).capitalize()


def cell_value(rng, column):
    return {"Status": lambda: rng.choice(STATUS), "Date": lambda: wording.date(rng), "Email": lambda: wording.email(rng),
            "Price": lambda: f"{rng.choice(['$', ''])}{rng.randrange(1, 999)}.{rng.randrange(100):02}", "Total": lambda: str(rng.randrange(10000)),
            "ID": lambda: str(rng.randrange(1000, 99999)), "Size": lambda: f"{rng.randrange(1, 999)} KB",
            "Progress": lambda: f"{rng.randrange(101)}%", "Version": lambda: f"{rng.randrange(9)}.{rng.randrange(20)}.{rng.randrange(9)}",
            }.get(column, lambda: wording.phrase(rng, 2).capitalize())()


def code_lines(rng, language, count=30):
    name = wording.word if rng.random() < 0.6 else wording.identifier

    def one():
        a, b, c = (name(rng).replace("-", "_") for _ in range(3))
        return rng.choice(CODE[language]).format(a=a, b=b, c=c, A=a.capitalize(), n=rng.randrange(1000), p=wording.phrase(rng))
    return [one() for _ in range(count)]


def terminal_lines(rng, count=30):
    out = []
    while len(out) < count:
        command = rng.choice([f"cd {wording.path(rng)}", "ls -la", "git status", "npm test", f"python {wording.word(rng)}.py", f"cat {wording.path(rng)}",
                              f"npm install {wording.word(rng)}", "make", f"grep {wording.word(rng)} *", "docker ps",
                              f"ls {wording.word(rng)}", f"gcc -O{rng.randrange(4)} {wording.word(rng)}.c", "df -h", f"make {wording.word(rng)}"])
        out.append("$ " + command)
        out += [rng.choice([wording.path(rng), wording.sentence(rng), f"error: {rng.choice(ERRORS).lower()}", f"{wording.word(rng)}: {wording.number(rng)}",
                            wording.file(rng), f"{wording.word(rng)}.c:{rng.randrange(1, 999)}: error: {wording.phrase(rng, 3)}",
                            f"{wording.word(rng)}.c:{rng.randrange(1, 999)}: warning: {wording.phrase(rng, 3)}", f"fatal: {rng.choice(ERRORS).lower()}",
                            f"Error: {rng.choice(ERRORS)}", f"{wording.number(rng)} {wording.phrase(rng, 2)}"])
                for _ in range(rng.randint(0, 4))]
    return out


def log_lines(rng, count=30):
    """Lines of one form, or of several; often of few messages that differ in their numbers only."""
    few = [wording.phrase(rng, 3) for _ in range(rng.randint(1, 4))] if rng.random() < 0.6 else None
    forms = rng.sample(LOG_FORMS, 1 if rng.random() < 0.7 else 3)
    day = wording.day(rng)

    def one():
        said = rng.choice(few) if few else wording.phrase(rng)
        clock = f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
        when = day if rng.random() < 0.7 else wording.day(rng)
        return rng.choice(forms).format(day=when, clock=clock, level=rng.choice(LEVELS), said=said, name=wording.identifier(rng),
                                        n=rng.randrange(10 ** rng.randint(1, 4)))
    return [one() for _ in range(count)]


def figure(rng):
    n = rng.randrange(10 ** rng.randint(1, 6))
    return rng.choice([str(n), f"{n:,}", f"${n:,}", f"{n % 100}%", f"{n % 100}.{n % 97:02}%", f"{n % 1000} ms"])


def trace_lines(rng):
    kind = rng.choice(["ValueError", "TypeError", "KeyError", "RuntimeError", "IOError", "NullPointerException"])
    if rng.random() < 0.5:
        body = [line for _ in range(12) for line in (f"  File \"{wording.path(rng)}\", line {rng.randrange(1, 900)}, in {wording.word(rng)}", f"    {wording.code(rng)}")]
        return ["Traceback (most recent call last):"] + body[:2 * rng.randint(1, 4)] + [f"{kind}: {wording.phrase(rng)}"]
    return [f"{kind}: {wording.phrase(rng)}"] + [f"    at {wording.identifier(rng)} ({wording.path(rng)}:{rng.randrange(1, 900)}:{rng.randrange(1, 80)})" for _ in range(rng.randint(2, 10))]
