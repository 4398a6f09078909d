"""Draws the screen of a seed at a size."""
import random

import numpy as np

from starter.canvas import Painter, spoil

from .kinds import KINDS
from .pen import Pen
from .theme import Theme
from .tree import Node, Screen

PLAIN = "not a screen"


def draw(seed, height, width, sizes=(12, 18), kind=None, replace=None, flip=None):
    """`replace` and `flip` draw the same screen with an edit: they use up no random numbers."""
    rng = random.Random(f"screen {seed}")
    kind = kind or rng.choices(list(KINDS), [weight for _, weight in KINDS.values()])[0]
    painter = Painter(width, height, rng)
    pen = Pen(painter, Theme(rng, *sizes))
    pen.replace, pen.flip = replace or {}, flip
    KINDS[kind][0](rng, pen)
    return Screen(kind, pen.root, spoil(painter.image, rng), painter, pen.theme.dark)


def draw_other(seed, height, width):
    """Noise, gradients, blobs like a photograph: nothing to read."""
    rng = np.random.default_rng(abs(hash(("other", seed))) if isinstance(seed, str) else seed)
    form = rng.integers(4)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    if form == 0:
        field = rng.normal(rng.uniform(60, 200), rng.uniform(10, 70), (height, width, 3))
    elif form == 1:
        a, b = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
        at = (x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1))[..., None]
        field = a + (b - a) * (at - at.min()) / (np.ptp(at) + 1e-6)
    else:
        field = np.zeros((height, width, 3)) + rng.uniform(0, 255, 3)
        for _ in range(rng.integers(6, 30)):
            cx, cy, r = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.03, 0.35)
            weight = np.exp(-((x - cx) ** 2 + (y - cy) ** 2 * rng.uniform(0.4, 2.5)) / r**2)[..., None]
            field = field * (1 - weight) + rng.uniform(0, 255, 3) * weight
        if form == 3:
            field = field + rng.normal(0, rng.uniform(3, 20), field.shape)
    return Screen(PLAIN, Node(PLAIN, "", (0, 0, width, height)), np.clip(field, 0, 255).astype(np.uint8), Painter(width, height, None), False)
