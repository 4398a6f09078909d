"""Dense targets of a crop: which character covers each 4×8 spot of a patch, and which
characters, in reading order, have their centre in each 32×32 cell (one merged token)."""
import numpy as np

SPOT_W, SPOT_H = 4, 8      # pixels; a 16×16 patch has 4 × 2 spots
CELL = 32
SLOTS = 10
IGNORE = 255


def spots(cover):
    """cover uint8 [H, W] → [H/16 * W/16, 8], rows of patches in image order."""
    h, w = cover.shape
    at = cover[SPOT_H // 2::SPOT_H, SPOT_W // 2::SPOT_W]              # [H/8, W/4]
    at = at.reshape(h // 16, 2, w // 16, 4).transpose(0, 2, 1, 3)
    return at.reshape(-1, 8)


def slots(chars, width, height):
    """chars float32 [n, 4] = x, y, class, line, in crop coordinates → uint8 [cells, SLOTS]."""
    columns, rows = width // CELL, height // CELL
    out = np.zeros((rows * columns, SLOTS), np.uint8)
    inside = (chars[:, 0] >= 0) & (chars[:, 0] < width) & (chars[:, 1] >= 0) & (chars[:, 1] < height)
    kept = chars[inside]
    cell = (kept[:, 1] // CELL).astype(int) * columns + (kept[:, 0] // CELL).astype(int)
    order = np.lexsort((kept[:, 0], np.round(kept[:, 1]), cell))
    cell, kind = cell[order], kept[order, 2].astype(np.uint8)
    if len(cell):
        starts = np.flatnonzero(np.r_[True, cell[1:] != cell[:-1]])
        rank = np.arange(len(cell)) - np.repeat(starts, np.diff(np.r_[starts, len(cell)]))
        fits = rank < SLOTS
        out[cell[fits], rank[fits]] = kind[fits]
    return out


def crop(canvas, x, y, width, height):
    """A piece of a canvas with its targets: pixels, spots, slots."""
    chars = canvas.chars - np.array([x, y, 0, 0], np.float32)
    return (canvas.pixels[y:y + height, x:x + width],
            spots(canvas.cover[y:y + height, x:x + width]),
            slots(chars, width, height))
