"""The rendered set as screens with a tree, in the form that the training generator's screens have."""
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from screens.drawing import PLAIN
from screens.tree import Node, Screen


@dataclass
class Lines:
    """What tasks ask of a painter: the drawn lines (text, x0, y0, x1, y1) in pixels of the prepared picture."""
    width: int
    height: int
    lines: list
    sizes: list
    chars: list = field(default_factory=list)


def load(folder, name):
    """The screen `name`, at the picture's own pixels."""
    truth = json.loads((Path(folder) / f"{name}.json").read_text())
    pixels = np.array(Image.open(Path(folder) / f"{name}.png").convert("RGB"))
    k = truth["scale"]
    height, width = pixels.shape[:2]
    lines = [(t["text"], *[v * k for v in t["box"]]) for t in truth["lines"]]
    root = Node(truth["role"], truth["title"], (0, 0, width, height))
    root.children = [Node(n["role"], n["text"], tuple(v * k for v in n["box"]), n["state"]) for n in truth["nodes"]]
    painter = Lines(width, height, lines, [t["size"] * k for t in truth["lines"]])
    return Screen(truth["kind"], root, pixels, painter, truth["dark"])


def plain(folder, name):
    """A picture that is no screen."""
    pixels = np.array(Image.open(Path(folder) / f"{name}.png").convert("RGB"))
    height, width = pixels.shape[:2]
    return Screen(PLAIN, Node(PLAIN, "", (0, 0, width, height)), pixels, Lines(width, height, [], []), False)


def names(folder, prefix):
    found = sorted(p.stem for p in Path(folder).glob(f"{prefix}-*.png"))
    if not found:
        raise SystemExit(f"There are no pictures {prefix}-*.png in {folder}: run python training/chromium/build.py first.")
    return found
