"""All pictures of a folder of pages on a GPU, where the views of lines are cut from them: as exact as the product's, and ten
thousand lines a second need no processor but for their boxes."""
import io
import json
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from rendered.cache import told
from torch.utils.data import DataLoader, IterableDataset

from .data import numbers, seen
from .views import COLUMNS, OUTSIDE, ROWS, SAMPLES, VIEWS

AT_ONCE = 512            # lines whose views are cut together


def pieces(entry, pictures):
    """The bytes of a page's pictures, or of its truth."""
    pack, at, parts = entry
    with open(pack, "rb") as file:
        file.seek(at if pictures else at + sum(parts[:-1]))
        return [file.read(n) for n in (parts[:-1] if pictures else parts[-1:])]


def decoded(entry):
    return [np.array(Image.open(io.BytesIO(data))) for data in pieces(entry, True)]


class Gallery:
    def __init__(self, pages, device, threads=8):
        """pages: see data.entries. Picture `first[page] + i` is the page's i-th."""
        with ThreadPoolExecutor(threads) as pool:
            made = list(pool.map(decoded, pages))
        self.first = np.cumsum([0, *(len(shots) for shots in made)])
        shots = [torch.from_numpy(shot) for page in made for shot in page]
        self.sizes = np.array([shot.shape[:2] for shot in shots])
        starts = np.cumsum([0, *self.sizes.prod(1)])[:-1]
        self.pixels = torch.cat([shot.reshape(-1, 3).to(device) for shot in shots])
        self.where = torch.from_numpy(np.column_stack((starts, self.sizes))).to(device)          # start, height, width

    def views(self, pictures, boxes):
        """uint8 [n, 4, ROWS, COLUMNS, 3]: see views.views; pictures int64 [n], boxes float64 [n, 4] of lines."""
        return torch.cat([self.cut(p, b) for p, b in zip(pictures.split(AT_ONCE), boxes.split(AT_ONCE))])

    def cut(self, pictures, boxes):
        left, top, right, bottom = boxes.unbind(1)
        high, middle = (bottom - top).clamp(min=1), (top + bottom) / 2
        return torch.stack([self.view(pictures, high / scale, (left, right)[end] - column * high / scale, middle - ROWS / 2 * high / scale)
                            for scale, column, end in VIEWS], 1)

    def view(self, pictures, step, left, top):
        start, height, width = (part[:, None] for part in self.where[pictures].unbind(1))
        ys, xs = samples(top, step, ROWS), samples(left, step, COLUMNS)
        outside = ((ys < 0) | (ys >= height))[:, :, None] | ((xs < 0) | (xs >= width))[:, None]
        rows = start + ys.clamp(min=0).minimum(height - 1) * width
        found = self.pixels[rows[:, :, None] + xs.clamp(min=0).minimum(width - 1)[:, None]]
        found = found.masked_fill(outside[..., None], OUTSIDE).view(-1, ROWS, SAMPLES, COLUMNS, SAMPLES, 3)
        sums = found.sum((2, 4), dtype=torch.int32)
        return ((sums + SAMPLES * SAMPLES // 2) // (SAMPLES * SAMPLES)).to(torch.uint8)


def samples(first, step, count):
    at = torch.arange(count * SAMPLES, device=step.device, dtype=torch.float64) + 0.5
    return (first[:, None] + at * step[:, None] / SAMPLES).floor().long()


def recoloured(views, of):
    """The views of half of the pages brighter or darker, of more or less contrast and a little tinted; of: the page of each line."""
    pages = int(of[-1]) + 1
    on = (torch.rand(pages, 1, device=views.device) < 0.5).float()
    gain = 1 + on * (0.3 * torch.rand(pages, 1, device=views.device) - 0.2 + 0.04 * torch.randn(pages, 3, device=views.device))
    shift = on * 16 * torch.randn(pages, 1, device=views.device)
    changed = (views.float() - 128) * gain[of][:, None, None, None] + 128 + shift[of][:, None, None, None]
    return changed.round_().clamp_(0, 255).to(torch.uint8)


def described(page, first, sizes, rng):
    """One page's lines without their views; first: its first picture, sizes: of all. picture, boxes float64 [n, 4], features, marks, kind; None of a page without lines."""
    truths = json.loads(pieces(page, False)[0])["truths"]
    shot = rng.randrange(len(truths))
    picture = first + shot
    screen = told(truths[shot], *sizes[picture].tolist())
    lines = seen(screen, rng, False)
    return (picture, np.array([box for _, box, _ in lines], np.float64), *numbers(screen, lines)) if lines else None


class Boxes(IterableDataset):
    """Batches of whole pages at random, for ever, as `Lines` of train.py makes them, but for the views: in their place stand the
    picture and the box of each line."""

    def __init__(self, pages, chances, sizes, first, lines):
        self.pages, self.chances, self.sizes, self.first, self.lines = pages, np.cumsum(chances), sizes, first, lines

    def __iter__(self):
        torch.set_num_threads(1)
        rng, order = random.Random(torch.initial_seed()), range(len(self.pages))
        while True:
            held, count = [], 0
            while count < self.lines:
                index = rng.choices(order, cum_weights=self.chances)[0]
                made = described(self.pages[index], self.first[index], self.sizes, rng)
                if made and len(made[1]) <= 80:
                    held.append(made)
                    count += len(made[1])
            yield self.batch(held)

    @staticmethod
    def batch(held):
        pictures, boxes, features, marks, kinds = zip(*held)
        counts = [len(b) for b in boxes]
        arrays = [np.repeat(pictures, counts), np.concatenate(boxes), np.concatenate(features), np.concatenate(marks), np.repeat(np.arange(len(held)), counts)]
        return [torch.from_numpy(a) for a in arrays] + [torch.tensor(kinds)]


def batches(pages, chances, device, workers, lines):
    """Batches for ever, on the device: views, features, marks, the page of each line, the kind of each page."""
    gallery = Gallery(pages, device)
    for made in DataLoader(Boxes(pages, chances, gallery.sizes, gallery.first, lines), batch_size=None, num_workers=workers, prefetch_factor=8, pin_memory=True):
        pictures, boxes, features, marks, of, kinds = (part.to(device, non_blocking=True) for part in made)
        yield recoloured(gallery.views(pictures, boxes), of), features, marks, of, kinds
