"""Lines of rendered pages as training examples of the element classifier."""
import json
import random

import numpy as np
from PIL import Image
from rendered.cache import load
from starter import lines as reader
from starter import marks

from .views import features, quick_views, views

JOINED = 0.06


def entries(folder):
    """(pack, offset, parts) of every page of a folder, in order."""
    out = []
    for index in sorted(folder.glob("*.jsonl")):
        for text in index.read_text().splitlines():
            entry = json.loads(text)
            out.append((index.with_suffix(".bin"), entry["at"], entry["parts"]))
    return out


def examples(entry, rng, careful=False):
    """views [n, 4, 48, 96, 3], features [n, FEATURES], marks [n, FIELDS] of one page's lines, their boxes as a detector finds them."""
    screen = rng.choice(load(*entry)[0])
    known, out = marks.of_lines(screen), []
    boxes = [list(line[1:]) if careful else found(line[1:], rng) for line in screen.painter.lines]
    for i, (line, box) in enumerate(zip(screen.painter.lines, boxes)):
        after = screen.painter.lines[i + 1] if i + 1 < len(boxes) else None
        text = line[0] if careful else misread(line[0], rng)
        if not careful and after and rng.random() < JOINED and level(line, after):
            text, box = f"{text} {after[0]}", [box[0], box[1], boxes[i + 1][2], box[3]]
        out.append((text, box, known[i]))
    if not out:
        return None
    height, width = screen.pixels.shape[:2]
    median = float(np.median([max(1.0, box[3] - box[1]) for _, box, _ in out]))
    picture = Image.fromarray(screen.pixels)
    return (np.stack([views(screen.pixels, box) if careful else quick_views(picture, box) for _, box, _ in out]),
            np.stack([features(text, box, (width, height), median) for text, box, _ in out]),
            np.stack([mark for *_, mark in out]))


def found(box, rng):
    """A box as a detector finds it: other heights, ends a little off."""
    left, top, right, bottom = box
    high = bottom - top
    middle, grown = (top + bottom) / 2 + rng.gauss(0, 0.05) * high, high * rng.uniform(0.72, 1.25)
    return [left + rng.gauss(0, 0.12) * high, middle - grown / 2, right + rng.gauss(0, 0.12) * high, middle + grown / 2]


def level(line, after):
    high = line[4] - line[2]
    return abs(line[2] - after[2]) < 0.3 * high and 0 < after[1] - line[3] < 1.6 * high


def misread(text, rng):
    spelled = reader.Reader(rng).spelling(text, [-1] * len(text))
    return "".join(char for char, *_ in spelled) or text
