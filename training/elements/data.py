"""Lines of rendered pages as training examples of the element classifier."""
import json
import random

import numpy as np
from PIL import Image
from rendered.cache import load
from starter import lines as reader
from starter import marks, reading

from .network import KINDS
from .views import features, quick_views, views

JOINED = 0.06
SWALLOWED, APART = 0.3, 0.12         # how often a detector takes a mark (a checkbox's square) into the line's box, and finds it as a line of its own
READ_AS = {"checkbox": ["■", "□", "口", "V", "☑", "I", "✓", "<", "0", "回"], "radio": ["O", "●", "○", "0", "o", "◎", "C"], "switch": ["O", "●", "C", "一", "-"]}
UNKNOWN = [0] * (marks.FIELDS - 1) + [marks.IGNORED]
RARE = ("radio", "switch", "checkbox", "tab", "header")


def entries(folder):
    """(pack, offset, parts) of every page of a folder, in order."""
    out = []
    for index in sorted(folder.glob("*.jsonl")):
        for text in index.read_text().splitlines():
            entry = json.loads(text)
            out.append((index.with_suffix(".bin"), entry["at"], entry["parts"]))
    return out


def worth(entry):
    """How often a page is trained on beside others: more where it shows what few do."""
    pack, at, parts = entry
    with open(pack, "rb") as file:
        file.seek(at + sum(parts[:-1]))
        nodes = json.loads(file.read(parts[-1]))["truths"][0]["nodes"]
    rare = any(n["role"] in RARE for n in nodes)
    return 1 + rare + sum(any(n["state"].get(s) for n in nodes) for s in ("selected", "focused", "disabled", "error"))


def examples(entry, rng, careful=False):
    """views [n, 4, 48, 96, 3], features [n, FEATURES], marks [n, FIELDS] of one page's lines in reading order, their boxes as a
    detector finds them, and the page's kind; None of a page without lines."""
    screen = rng.choice(load(*entry)[0])
    out = seen(screen, rng, careful)
    if not out:
        return None
    picture = Image.fromarray(screen.pixels)
    return (np.stack([views(screen.pixels, box) if careful else quick_views(picture, box) for _, box, _ in out]), *numbers(screen, out))


def numbers(screen, lines):
    """features [n, FEATURES] and marks [n, FIELDS] of what `seen` says, and the page's kind."""
    median = float(np.median([max(1.0, box[3] - box[1]) for _, box, _ in lines]))
    size = screen.painter.width, screen.painter.height
    return (np.stack([features(text, box, size, median) for text, box, _ in lines]), np.stack([mark for *_, mark in lines]), KINDS.index(screen.kind))


def seen(screen, rng, careful):
    """[(text, box, mark)] of the lines, in reading order."""
    known, lines, out = marks.of_lines(screen), screen.painter.lines, []
    order = [i for row in reading.rows(screen.painter) for i in row]
    boxes = {i: list(lines[i][1:]) if careful else found(lines[i][1:], rng) for i in order}
    for i, after in zip(order, [*order[1:], None]):
        text, box = lines[i][0] if careful else misread(lines[i][0], rng), boxes[i]
        before = None if careful else mark_before(screen.painter.parts[i], lines[i])
        if before and rng.random() < SWALLOWED:
            text, box = rng.choice(["", *(sign + " " for sign in before[0])]) + text, [before[1] + rng.gauss(0, 1), *box[1:]]
        elif before and rng.random() < APART:
            out.append((rng.choice(before[0]), found((before[1], box[1], lines[i][1] - 0.3 * (box[3] - box[1]), box[3]), rng), UNKNOWN))
        if not careful and after is not None and rng.random() < JOINED and level(lines[i], lines[after]):
            text, box = f"{text} {lines[after][0]}", [box[0], box[1], boxes[after][2], box[3]]
        out.append((text, box, known[i]))
    return out


def mark_before(part, line):
    """Of an option whose mark stands close before its text: what the mark is read as, and where it begins."""
    if part is None or part.node.role not in READ_AS:
        return None
    left, high = part.node.box[0], line[4] - line[2]
    return (READ_AS[part.node.role], left + 2) if 0.5 * high < line[1] - left < 2.2 * high else None


def found(box, rng):
    """A box as a detector finds it: other heights, ends a little off."""
    left, top, right, bottom = box
    high = bottom - top
    middle, grown = (top + bottom) / 2 + rng.gauss(0, 0.04) * high, high * rng.uniform(0.8, 1.2)
    return [left + rng.gauss(0, 0.08) * high, middle - grown / 2, right + rng.gauss(0, 0.08) * high, middle + grown / 2]


def level(line, after):
    high = line[4] - line[2]
    return abs(line[2] - after[2]) < 0.3 * high and 0 < after[1] - line[3] < 1.6 * high


def misread(text, rng):
    spelled = reader.Reader(rng).spelling(text, [-1] * len(text))
    return "".join(char for char, *_ in spelled) or text
