"""Pictures that are no screens: plasma, stripes, mosaics and hills, drawn in other ways than in training."""
import numpy as np
from PIL import Image

COUNT = 40


def plasma(rng, h, w):
    y, x = np.mgrid[0:h, 0:w] / 40
    waves = [np.sin(x * rng.uniform(0.2, 2) + y * rng.uniform(-2, 2) + rng.uniform(0, 6)) for _ in range(9)]
    return np.stack([sum(waves[c::3]) for c in range(3)], -1) * 42 + 128


def stripes(rng, h, w):
    y, x = np.mgrid[0:h, 0:w]
    at = (x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1)) // rng.integers(8, 40) % 2
    return np.where(at[..., None] > 0, rng.uniform(0, 255, 3), rng.uniform(0, 255, 3))


def mosaic(rng, h, w):
    y, x = np.mgrid[0:h, 0:w]
    points, colours = rng.uniform(0, [h, w], (40, 2)), rng.uniform(0, 255, (40, 3))
    nearest = ((y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2).argmin(-1)
    return colours[nearest]


def hills(rng, h, w):
    out = np.linspace(rng.uniform(120, 255, 3), rng.uniform(120, 255, 3), h)[:, None] * np.ones((1, w, 1))
    x = np.arange(w)
    for i in range(4):
        top = h * (0.4 + 0.15 * i) + 25 * np.sin(x / rng.uniform(30, 90) + rng.uniform(0, 6)) + 8 * np.sin(x / rng.uniform(7, 20))
        out[np.arange(h)[:, None] > top[None]] = rng.uniform(20, 160, 3)
    return out + rng.normal(0, 6, out.shape)


def draw(out):
    for i in range(COUNT):
        rng = np.random.default_rng(i)
        pixels = [plasma, stripes, mosaic, hills][i % 4](rng, 192, 256)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(out / f"other-{i:03}.png")
