"""Batches of crops with dense targets only; the batch of a step depends on the step alone, so runs can resume."""
import random
from functools import lru_cache

import numpy as np

from . import targets
from .canvas import draw_canvas
from .vision import block_order

POOL = 48            # canvases in use at a time
PER_CANVAS = 2       # steps until the pool's oldest canvas is replaced
SHAPES = [(64, 256), (64, 256), (96, 192), (32, 512)]        # height, width


def sizes(index):
    """Font sizes of a canvas: common ones first, all of 10–40 px later."""
    if index < 300:
        return 14, 24
    return (12, 28) if index < 900 else (10, 40)


@lru_cache(maxsize=POOL + 8)
def canvas(index):
    return draw_canvas(index, sizes(index))


def batch(step, cells):
    """`cells` merged tokens' worth of crops of one shape: pixels, spots and slots as uint8 arrays."""
    rng = random.Random(step)
    height, width = rng.choice(SHAPES)
    newest = step // PER_CANVAS + POOL
    order = block_order(height // 16, width // 16).numpy()
    out = []
    for _ in range(cells * 1024 // (height * width)):
        source = canvas(newest - rng.randrange(POOL))
        h, w, _ = source.pixels.shape
        pixels, spots, slots = targets.crop(source, rng.randrange(w - width + 1), rng.randrange(h - height + 1), width, height)
        out.append((pixels, spots[order], slots))
    return tuple(np.stack(x) for x in zip(*out))
