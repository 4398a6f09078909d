"""The metrics of the Chromium set. Each part asks the model, judges against the tree and returns (name, value, count)."""
import json
import random
import re

from chromium import truth
from screens import questions, wordings

from . import measure
from .prompt import Spelled, instructions



def screens(folder, prefixes, limit):
    return [truth.load(folder, n) for p in prefixes for n in truth.names(folder, p)[:limit]]


def ask(model, shown, questions_, kept, part, most=400):
    """model: of speakers; shown: lists of screens; answers are kept for inspection."""
    said = model.answer_all(list(zip(shown, questions_)), most)
    kept += [dict(part=part, question=q, answer=a) for q, a in zip(questions_, said)]
    return said


def same(a, b):
    """Equal up to a fifth of the characters: a statement with a misread letter is still about that element."""
    a, b = measure.flat(a).lower(), measure.flat(b).lower()
    return measure.edits(a, b) <= 0.2 * max(len(a), len(b))


def descriptions(model, folder, limit, kept):
    out = []
    for name, prefix in (("crops", "crop"), ("screens 1280x800", "screen")):
        shown = screens(folder, [prefix], limit)
        said = ask(model, [[s] for s in shown], [instructions()["describe"]["full"]] * len(shown), kept, "description", 700)
        out += [(f"{what}, {name}", value, count) for what, value, count in judge_descriptions(shown, said)]
    return out


def judge_descriptions(shown, said):
    """Kind and theme named, statements that are true, important elements mentioned."""
    true = stated = mentioned = important = kinds = themes = 0
    for screen, answer in zip(shown, said):
        head, *statements = answer.split("\n")
        kinds += wordings.KIND_WORDS[screen.kind] in head
        themes += f"A {'dark' if screen.dark else 'light'} " in head
        stated += len(statements)
        true += sum(any(holds(line, n) for n in screen.root.children) for line in statements)
        wanted = [n for n in screen.root.all(*wordings.IMPORTANT) if n.text]
        important += len(wanted)
        mentioned += sum(any(about(line, n) for line in statements) for n in wanted)
    return [("kind of screen named", kinds / len(shown), len(shown)),
            ("theme named in a description", themes / len(shown), len(shown)),
            ("statements of a full description that are true", true / max(1, stated), stated),
            ("important elements mentioned", mentioned / max(1, important), important)]


def parse(line):
    """`role "text": "value", states` → its parts, or None."""
    return re.fullmatch(r'([a-z ]+) "(.*?)"(?:: "(.*)")?((?:, [a-z ]+)*)', line)


def about(line, node):
    m = parse(line)
    return bool(m) and m[1] == node.role and same(m[2], node.text)


def holds(line, node):
    """Role, text, value and every state as in the tree."""
    m = parse(line)
    if not about(line, node):
        return False
    value = node.state.get("value") or ""
    return same(m[3] or "", value) and sorted(m[4].split(", ")[1:]) == sorted(wordings.states(node))


def answering(model, folder, limit, kept):
    asked = []
    for i, screen in enumerate(screens(folder, ["crop"], limit)):
        rng, seen = random.Random(i), set()
        for _ in range(8):
            kind, question, pieces = questions.ask(rng, screen, lambda text, box: Spelled(text))
            if question not in seen and len(seen) < 5:
                asked.append((screen, kind, question, "".join(p if isinstance(p, str) else p.text for p in pieces)))
                seen.add(question)
    said = ask(model, [[a[0]] for a in asked], [a[2] for a in asked], kept, "question", 120)
    right = [equivalent(a[3], s) for a, s in zip(asked, said)]
    out = [("questions answered right, crops", sum(right) / len(right), len(right))]
    for kind in sorted({a[1] for a in asked}):
        of = [r for r, a in zip(right, asked) if a[1] == kind]
        out.append((f"questions: {kind}", sum(of) / len(of), len(of)))
    return out


def equivalent(truth_, answer):
    clean = [re.sub(r'["\s.]+', " ", t).strip().lower() for t in (truth_, answer)]
    return clean[0] == clean[1]


# What a comparison says from measuring, and that there is no difference: no edit is named by it, and none invented.
MEASURED = re.compile(r"There are no differences\.|The images are identical|No pixel |The size changed|.* of the pixels changed")


def comparing(model, folder, limit, kept):
    edits = json.loads((folder / "edits.json").read_text())
    names = sorted(edits)[:limit]
    shown = [[truth.load(folder, f"{n}-{side}") for side in "ab"] for n in names]
    said = ask(model, shown, [instructions()["compare"]["whole"]] * len(names), kept, "comparison", 200)
    named = false = real = 0
    for name, answer in zip(names, said):
        edit, lines = edits[name], [line for line in answer.split("\n") if line and not MEASURED.match(line)]
        hits = [line for line in lines if edit and names_edit(line, edit)]
        named += bool(hits)
        real += edit is not None
        false += len(lines) - len(hits)
    return [("edits of a pair named", named / max(1, real), real), ("false edits per pair", false / len(names), len(names))]


def names_edit(line, edit):
    texts = re.findall(r'"(.*?)"', line)
    if edit["form"] == "mark":
        return bool(texts) and same(texts[0], edit["old"]) and line.endswith(f"now {edit['now']}.")
    return len(texts) == 2 and same(texts[0], edit["old"]) and same(texts[1], edit["now"])


def others(model, folder, limit, kept):
    names = truth.names(folder, "other")[:limit]
    shown = [[truth.plain(folder, n)] for n in names]
    said = ask(model, shown, [instructions()["describe"]["brief"]] * len(names), kept, "other", 60)
    wrongly = screens(folder, ["crop"], limit)
    claims = ask(model, [[s] for s in wrongly], [instructions()["describe"]["brief"]] * len(wrongly), kept, "brief", 80)
    return [("non-screens recognised", sum(a == wordings.NOT_A_SCREEN for a in said) / len(names), len(names)),
            ("screens taken for non-screens", sum(a == wordings.NOT_A_SCREEN for a in claims) / len(claims), len(claims))]


PARTS = {"descriptions": descriptions, "questions": answering, "pairs": comparing, "others": others}
