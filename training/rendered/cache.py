"""The rendered pages of a folder as training examples; what is there when it is opened counts."""
import io
import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image
from screens import tasks
from screens.tree import Node, Screen
from starter.canvas import spoil
from starter.charset import class_of
from starter.parts import Part

SMALL = 448 * 256
MOST_CHARACTERS = {True: 450, False: 1800}        # of a page up to 448×256, and beyond: what a step can bear


@dataclass
class Shown:
    """What the drawn screens' Painter offers, of a rendered page."""
    width: int
    height: int
    lines: list
    chars: list
    spans: list          # of every visible character: class, rows and columns
    parts: list

    @cached_property
    def cover(self):
        cover = np.zeros((self.height, self.width), np.uint8)
        for kind, top, bottom, left, right in self.spans:
            cover[top:bottom, left:right] = kind
        return cover


class Pages:
    def __init__(self, folder, most=None):
        """most: pixels of the largest pages wanted."""
        self.entries = defaultdict(list)
        for index in sorted(Path(folder).glob("*.jsonl")):
            for text in index.read_text().splitlines():
                entry = json.loads(text)
                self.entries[tuple(entry["size"])].append((index.with_suffix(".bin"), entry["at"], entry["parts"]))
        for size in [s for s in self.entries if most and s[0] * s[1] > most]:
            del self.entries[size]
        if not self.entries:
            raise SystemExit(f"There are no pages in {folder}: run python rendered/render.py --out {folder} first.")

    def shape(self, rng):
        """A size at random: by its pages, less often where a page is large."""
        sizes = list(self.entries)
        return rng.choices(sizes, [len(self.entries[s]) * (SMALL / (s[0] * s[1])) ** 0.5 for s in sizes])[0]

    def examples(self, rng, height, width, count):
        out = []
        while len(out) < count:
            screens, edit = load(*rng.choice(self.entries[height, width]))
            if sum(len(line[0]) for line in screens[0].painter.lines) > MOST_CHARACTERS[height * width <= SMALL]:
                continue
            out.append(example(rng, screens, edit))
        return out


def example(rng, screens, edit):
    if rng.random() < 0.1:
        for s in screens:
            s.pixels = spoil(Image.fromarray(s.pixels), rng)
    if len(screens) == 2 and rng.random() < 0.7:
        before, after = screens
        if edit is None:
            return tasks.compare(rng, before, after, None)
        a, b = before.root.children, after.root.children
        if len(a) == len(b):
            return tasks.compare(rng, before, after, (a[edit["index"]], edit["form"], b[edit["index"]]))
    return tasks.about(rng, rng.choice(screens), 480 if screens[0].pixels.size <= 3 * SMALL else 800)


def load(pack, at, parts):
    with open(pack, "rb") as file:
        file.seek(at)
        pieces = [file.read(n) for n in parts]
    said = json.loads(pieces[-1])
    return [screen(np.array(Image.open(io.BytesIO(data))), truth) for data, truth in zip(pieces, said["truths"])], said["edit"]


def screen(pixels, truth):
    return told(truth, *pixels.shape[:2], pixels)


def told(truth, height, width, pixels=None):
    """What a picture's truth says, as a Screen; without the pixels where they are kept elsewhere."""
    root = Node(truth["role"], truth["title"], (0, 0, width, height))
    root.children = [Node(n["role"], n["text"], tuple(n["box"]), n["state"]) for n in truth["nodes"]]
    lines, chars, spans, parts = [], [], [], []
    for i, line in enumerate(truth["lines"]):
        x0, y0, x1, y1 = line["box"]
        lines.append((line["text"], x0, y0, x1, y1))
        parts.append(Part(root.children[line["node"]], "value" if line["value"] else "text") if line["node"] >= 0 else None)
        edges = [x0, *((a + b) / 2 for a, b in zip(line["at"], line["at"][1:])), x1]
        for char, x, left, right in zip(line["text"], line["at"], edges, edges[1:]):
            kind = class_of(char)
            chars.append((x, (y0 + y1) / 2, kind, i))
            if char != " ":
                spans.append((kind, max(0, round(y0)), round(y1), max(0, round(left)), round(right)))
    return Screen(truth["kind"], root, pixels, Shown(width, height, lines, chars, spans, parts), truth["dark"])
