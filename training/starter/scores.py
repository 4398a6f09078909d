"""The metrics of the Chromium set. Each part asks the model, judges against the tree and returns (name, value, count)."""
import json
import random
import re

import numpy as np
from chromium import truth
from PIL import Image
from screens import questions, wordings
from screens.tasks import thousandths

from . import measure, reading
from .prompt import Spelled, instructions

SMALL = ("crop", "small", "double")        # up to 448×256 pixels


def screens(folder, prefixes, limit):
    return [truth.load(folder, n) for p in prefixes for n in truth.names(folder, p)[:limit]]


def ask(model, shown, questions_, kept, part, most=400):
    """model: of speakers; shown: lists of pictures; answers are kept for inspection."""
    said = model.answer_all(list(zip(shown, questions_)), most)
    kept += [dict(part=part, question=q, answer=a) for q, a in zip(questions_, said)]
    return said


def page_text(screen):
    """The rows of the page, as the reading instruction wants them."""
    lines = screen.painter.lines
    return "\n".join(" ".join(lines[i][0] for i in row) for row in reading.rows(screen.painter))


def line_pictures(screen):
    """Each line of 12 px and more alone, on its own background, at sides that are multiples of 32."""
    for (text, *box), size in zip(screen.painter.lines, screen.painter.sizes):
        x0, y0, x1, y1 = (max(0, round(v) + d) for v, d in zip(box, (-2, -1, 2, 1)))
        piece = screen.pixels[y0:y1, x0:x1]
        if size < 12 or not piece.size:
            continue
        height, width = -(-piece.shape[0] // 32) * 32, max(128, -(-(piece.shape[1] + 16) // 32) * 32)
        canvas = np.empty((height, width, 3), np.uint8)
        canvas[:] = piece[0, 0]
        top = (height - piece.shape[0]) // 2
        canvas[top:top + piece.shape[0], 8:8 + piece.shape[1]] = piece[:, :width - 8]
        yield text, canvas


def reading_part(model, folder, limit, kept):
    out, instruction = [], instructions()["ocr"]["text"]
    pairs = [p for s in screens(folder, ["crop"], limit) for p in line_pictures(s)]
    pairs = random.Random(0).sample(pairs, min(len(pairs), 240 if limit is None else 6 * limit))
    said = ask(model, [[p] for _, p in pairs], [instruction] * len(pairs), kept, "lines", 120)
    out.append(("character error rate, single lines", measure.error_rate(zip([t for t, _ in pairs], said)), len(pairs)))
    for name, prefixes, most in (("crops up to 448x256", SMALL, 500), ("screens 1280x800", ["screen"], 900), ("mobile 390x844", ["mobile"], 700)):
        shown = screens(folder, prefixes, limit)
        said = ask(model, [[s.pixels] for s in shown], [instruction] * len(shown), kept, name, most)
        out.append((f"character error rate, {name}", measure.error_rate((page_text(s), a) for s, a in zip(shown, said)), len(shown)))
    return out


def boxes(model, folder, limit, kept):
    shown = screens(folder, ["crop"], limit)
    said = ask(model, [[s.pixels] for s in shown], [instructions()["ocr"]["lines"]] * len(shown), kept, "boxes", 700)
    found = total = 0
    for screen, answer in zip(shown, said):
        given = [list(map(int, m)) for m in re.findall(r"\[(\d+), (\d+), (\d+), (\d+)\]", answer)]
        for line in screen.painter.lines:
            box = thousandths(line[1:], screen.painter.width, screen.painter.height)
            found += any(overlap(box, g) >= 0.5 for g in given)
            total += 1
    return [("lines found with a box of IoU >= 0.5, crops", found / total, total)]


def overlap(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inside = max(0, w) * max(0, h)
    return inside / max(1e-9, (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside)


def same(a, b):
    """Equal up to a fifth of the characters: a statement with a misread letter is still about that element."""
    a, b = measure.flat(a).lower(), measure.flat(b).lower()
    return measure.edits(a, b) <= 0.2 * max(len(a), len(b))


def descriptions(model, folder, limit, kept):
    shown = screens(folder, ["crop"], limit)
    said = ask(model, [[s.pixels] for s in shown], [instructions()["describe"]["full"]] * len(shown), kept, "description")
    true = stated = mentioned = important = kinds = 0
    for screen, answer in zip(shown, said):
        head, *statements = answer.split("\n")
        kinds += wordings.KIND_WORDS[screen.kind] in head
        stated += len(statements)
        true += sum(any(holds(line, n) for n in screen.root.children) for line in statements)
        wanted = [n for n in screen.root.all(*wordings.IMPORTANT) if n.text]
        important += len(wanted)
        mentioned += sum(any(about(line, n) for line in statements) for n in wanted)
    return [("kind of screen named", kinds / len(shown), len(shown)),
            ("statements of a full description that are true, crops", true / max(1, stated), stated),
            ("important elements mentioned, crops", mentioned / max(1, important), important)]


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
    said = ask(model, [[a[0].pixels] for a in asked], [a[2] for a in asked], kept, "question", 120)
    right = [equivalent(a[3], s) for a, s in zip(asked, said)]
    out = [("questions answered right, crops", sum(right) / len(right), len(right))]
    for kind in sorted({a[1] for a in asked}):
        of = [r for r, a in zip(right, asked) if a[1] == kind]
        out.append((f"questions: {kind}", sum(of) / len(of), len(of)))
    return out


def equivalent(truth_, answer):
    clean = [re.sub(r'["\s.]+', " ", t).strip().lower() for t in (truth_, answer)]
    return clean[0] == clean[1]


def comparing(model, folder, limit, kept):
    edits = json.loads((folder / "edits.json").read_text())
    names = sorted(edits)[:limit]
    shown = [[truth.load(folder, f"{n}-{side}").pixels for side in "ab"] for n in names]
    said = ask(model, shown, [instructions()["compare"]["whole"]] * len(names), kept, "comparison", 200)
    named = false = real = 0
    for name, answer in zip(names, said):
        edit, lines = edits[name], [line for line in answer.split("\n") if line and line != wordings.NO_DIFFERENCE]
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
    shown = [[np.array(Image.open(folder / f"{n}.png").convert("RGB"))] for n in names]
    said = ask(model, shown, [instructions()["describe"]["brief"]] * len(names), kept, "other", 60)
    wrongly = screens(folder, ["crop"], limit)
    claims = ask(model, [[s.pixels] for s in wrongly], [instructions()["describe"]["brief"]] * len(wrongly), kept, "brief", 80)
    return [("non-screens recognised", sum(a == wordings.NOT_A_SCREEN for a in said) / len(names), len(names)),
            ("screens taken for non-screens", sum(a == wordings.NOT_A_SCREEN for a in claims) / len(claims), len(claims))]


PARTS = {"reading": reading_part, "boxes": boxes, "descriptions": descriptions, "questions": answering, "pairs": comparing, "others": others}
