"""Small pictures of whole text lines with their transcription: the reading part of the curriculum."""
import random

import numpy as np

from . import targets
from .canvas import Painter, colours, spoil
from .fonts import face, pick_name
from .prompt import Spelled, instructions
from .wording import fill

MARGIN = 3


def draw(rng, height, width, sizes):
    """A painter with one or two styles of lines, none of them cut off."""
    painter = Painter(width, height, rng)
    back, ink = colours(rng)
    painter.draw.rectangle((0, 0, width, height), fill=back)
    y, style = rng.randint(0, MARGIN), None
    while True:
        if style is None or rng.random() < 0.2:
            style = face(pick_name(rng), rng.randint(*sizes))
        high = style.ascent + style.descent
        if y + high > height - 1:
            break
        segments(painter, y, style, ink)
        y += round(high * rng.choice([1.0, 1.05, 1.2, 1.5]))
    return painter


def segments(painter, y, style, ink):
    """One row: mostly one run of text, sometimes two or three apart."""
    rng = painter.rng
    x = rng.randint(1, 16)
    while x < painter.width - 3 * style.size:
        room = painter.width - x - MARGIN
        if rng.random() < 0.3:
            room = min(room, rng.randint(60, 240))
        text = fill(rng, lambda t: style.width(t) <= room)
        if not text:
            return
        painter.line(x, y, text, style, ink)
        if rng.random() < 0.7:
            return
        x += round(style.width(text)) + rng.randint(2 * style.size, 5 * style.size)


def rows(painter):
    """The lines' indices by row, top to bottom and left to right; lines whose middles are level share a row."""
    def middle(i):
        return (painter.lines[i][2] + painter.lines[i][4]) / 2

    out = []
    for i in sorted(range(len(painter.lines)), key=middle):
        high = painter.lines[i][4] - painter.lines[i][2]
        if out and middle(i) - middle(out[-1][0]) < 0.4 * high:
            out[-1].append(i)
        else:
            out.append([i])
    return [sorted(row, key=lambda i: painter.lines[i][1]) for row in out]


def cells_by_line(painter):
    """Line → the cell of each of its characters."""
    columns, last = painter.width // 32, painter.height // 32 - 1
    by_line = {}
    for x, y, _, line in painter.chars:
        cell = min(last, int(y) // 32) * columns + min(columns - 1, int(x) // 32)
        by_line.setdefault(int(line), []).append(cell)
    return by_line


def transcription(painter):
    """The text, one row per line, with each character's cell (−1 for what joins)."""
    by_line = cells_by_line(painter)
    text, places = "", []
    for r, row in enumerate(rows(painter)):
        for s, i in enumerate(row):
            joint = "\n" if r and not s else " " if s else ""
            text += joint + painter.lines[i][0]
            places += [-1] * len(joint) + by_line[i]
    return text, places


def example(seed, height, width, sizes):
    rng = random.Random(seed)
    painter = draw(rng, height, width, sizes)
    text, places = transcription(painter)
    chars = np.array(painter.chars, np.float32).reshape(-1, 4)
    pixels = spoil(painter.image, rng)
    turns = [(instructions()["ocr"]["text"], [Spelled(text, places)])]
    return dict(images=[pixels], spots=[targets.spots(painter.cover)], slots=[targets.slots(chars, width, height)],
                turns=turns, text=text)
