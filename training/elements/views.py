"""What the element classifier sees of one line: four views of its surroundings, and some numbers. The product cuts the same
views and counts the same numbers (src/reading/elements.ts)."""
import re
from math import ceil, floor

import numpy as np
from PIL import Image

ROWS, COLUMNS = 48, 96
# Pixels of a view that the line's height becomes; where in the view the line's end lies, and which end: 0 the left one, 1 the right one.
VIEWS = [(16, 40, 0), (16, 56, 1), (4, 40, 0), (4, 8, 1)]
SAMPLES = 3                # a view's pixel is the mean of so many samples a side
OUTSIDE = 128              # what lies beyond the picture
FEATURES = 15
# Words of a line that reports a failure, which in a log or a terminal may look like any other.
FAILURE = re.compile(r"\b(errors?|exception|fail(ed|s|ure)?|fatal|denied|invalid|wrong|cannot|unable|missing|not found|refused|rejected)\b", re.I | re.A)


def views(pixels, box):
    """uint8 [4, ROWS, COLUMNS, 3] of pixels [H, W, 3] around the box (left, top, right, bottom)."""
    left, top, right, bottom = box
    high, middle = max(1.0, bottom - top), (top + bottom) / 2
    return np.stack([view(pixels, high / scale, (left, right)[end] - column * high / scale, middle - ROWS / 2 * high / scale)
                     for scale, column, end in VIEWS])


def view(pixels, step, left, top):
    """A view whose pixels are `step` pixels of the picture wide and high."""
    height, width = pixels.shape[:2]
    ys = np.floor(top + (np.arange(ROWS * SAMPLES) + 0.5) * step / SAMPLES).astype(np.int64)
    xs = np.floor(left + (np.arange(COLUMNS * SAMPLES) + 0.5) * step / SAMPLES).astype(np.int64)
    seen = pixels[np.clip(ys, 0, height - 1)[:, None], np.clip(xs, 0, width - 1)[None]].astype(np.uint16)
    seen[(ys < 0) | (ys >= height)] = OUTSIDE
    seen[:, (xs < 0) | (xs >= width)] = OUTSIDE
    rows = sum(seen[i::SAMPLES] for i in range(SAMPLES))
    sums = sum(rows[:, i::SAMPLES] for i in range(SAMPLES))
    return ((sums + SAMPLES * SAMPLES // 2) // (SAMPLES * SAMPLES)).astype(np.uint8)


def quick_views(picture, box):
    """Nearly the same views of a PIL image, each pixel the mean of all that it covers: much sooner, for training."""
    left, top, right, bottom = box
    high, middle = max(1.0, bottom - top), (top + bottom) / 2
    return np.stack([quick_view(picture, high / scale, (left, right)[end] - column * high / scale, middle - ROWS / 2 * high / scale)
                     for scale, column, end in VIEWS])


def quick_view(picture, step, left, top):
    x, y = floor(left), floor(top)
    size = ceil(left + COLUMNS * step) - x, ceil(top + ROWS * step) - y
    seen = Image.new("RGB", size, (OUTSIDE,) * 3)
    seen.paste(picture, (-x, -y))
    inside = (left - x, top - y, left - x + COLUMNS * step, top - y + ROWS * step)
    return np.asarray(seen.resize((COLUMNS, ROWS), Image.Resampling.BOX, inside))


def features(text, box, size, median):
    """float32 [FEATURES] of a line's text and box; size: (width, height) of the picture; median: of the heights of its lines."""
    left, top, right, bottom = box
    width, height = size
    high, letters = max(1.0, bottom - top), max(1, len(text))
    return np.array([
        left / width, (top + bottom) / 2 / height, right / width, min(2.0, (right - left) / high / 20),
        min(2.0, high / median - 1), min(2.0, width / high / 50),
        sum(c.isdigit() for c in text) / letters, sum(c in "•*·." for c in text) / letters,
        sum("A" <= c <= "Z" for c in text) / letters, text.count(" ") / 10,
        float(text.endswith(":")), float(text.endswith(".")), float(":" in text), min(2.0, letters / 30), float(bool(FAILURE.search(text)))], np.float32)
