"""What a step of the mixed phase trains on; the batch depends on the step alone."""
import random

import numpy as np
from screens import tasks

from . import dense, prompt, reading
from .vision import block_order

SHAPES = [(32, 256), (64, 192), (64, 256), (96, 256), (128, 256)]          # height, width, at first
LARGE = [(128, 320), (160, 320), (192, 320), (256, 448), (256, 448)]
LATER = SHAPES + [(64, 448)] + LARGE
SCREENS = [(128, 256), (160, 256), *LARGE]
TURNS = ["dense", "read", "screen", "screen", "read", "screen", "read", "screen"]
GROWN = 400           # steps of reading after which all sizes and whole screens come in


def batch(step, cells, begun):
    """Dense crops, lines to read and, later, screens by turns. `begun`: the step at which the mixed phase began."""
    grown = step - begun >= GROWN
    kind = TURNS[step % 8] if grown else "read" if step % 4 else "dense"
    if kind == "dense":
        return "dense", dense.batch(step, cells)
    rng = random.Random(step * 7 + 1)
    if kind == "screen":
        height, width = rng.choice(SCREENS)
        made = [tasks.example(step * 1000 + i, height, width, text_sizes(rng, height)) for i in range(count(cells, height, width))]
        return "screen", assemble(made, height, width)
    height, width = rng.choice(LATER if grown else SHAPES)
    sizes = (10, min(40, height - 8)) if grown and rng.random() < 0.3 else (12, 20)
    made = [reading.example(step * 1000 + i, height, width, sizes) for i in range(count(cells, height, width))]
    if rng.random() < (0.3 if grown else 0.8):
        made = [e | dict(bare=True) for e in made]
    return "read", assemble(made, height, width)


def text_sizes(rng, height):
    """Of a screen: at a scale of one, a little larger, or, where there is room, at a scale of two."""
    return rng.choices([(12, 16), (15, 20), (22, 30)], [70, 10, 20 if height >= 160 else 0])[0]


def count(cells, height, width):
    """Examples in a step: as many as keep its vision tokens near three quarters of a dense step's."""
    return max(2, cells * 768 // (height * width))


def assemble(made, height, width):
    """Pixels and dense targets of all images in order, and the sequences."""
    order = block_order(height // 16, width // 16).numpy()
    out = prompt.collate(made, height, width)
    out["pixels"] = np.stack([p for e in made for p in e["images"]])
    out["spots"] = np.stack([s[order] for e in made for s in e["spots"]])
    out["slots"] = np.stack([s for e in made for s in e["slots"]])
    return out
