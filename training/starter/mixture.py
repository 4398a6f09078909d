"""What a step of the mixed phase trains on; the batch depends on the step (and the rendered pages at hand) alone."""
import random

import numpy as np
from screens import tasks

from . import dense, prompt
from .vision import block_order

DRAWN = [(128, 256), (160, 256), (128, 320), (160, 320), (192, 320), (256, 448)]     # height, width
TURNS = 15 * ["rendered"] + ["drawn"]


def batch(step, cells, pages=None):
    """Drawn screens and, where pages are given (see rendered.cache), rendered ones by turns."""
    kind = TURNS[step % len(TURNS)] if pages else "drawn"
    rng = random.Random(step * 7 + 1)
    if kind == "drawn":
        height, width = rng.choice(DRAWN)
        made = [tasks.example(step * 1000 + i, height, width, text_sizes(rng, height)) for i in range(count(cells, height, width))]
        return "drawn", assemble(made, height, width)
    height, width = pages.shape(rng)
    return "rendered", assemble(pages.examples(rng, height, width, count(cells, height, width)), height, width)


def text_sizes(rng, height):
    """Of a screen: at a scale of one, a little larger, or, where there is room, at a scale of two."""
    return rng.choices([(12, 16), (15, 20), (22, 30)], [70, 15, 15 if height >= 160 else 0])[0]


def count(cells, height, width):
    """Examples in a step: as many as keep its vision tokens near three quarters of a dense step's."""
    return max(1, round(cells * 768 / (height * width)))


def assemble(made, height, width):
    """Pixels and dense targets of all images in order, and the sequences."""
    order = block_order(height // 16, width // 16).numpy()
    out = prompt.collate(made, height, width)
    out["pixels"] = np.stack([p for e in made for p in e["images"]])
    out["spots"] = np.stack([s[order] for e in made for s in e["spots"]])
    out["slots"] = np.stack([s for e in made for s in e["slots"]])
    return out
