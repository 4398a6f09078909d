"""Canvases full of text, from which training crops are cut at any pixel offset.

A canvas is drawn once and cropped many times: drawing costs more than cutting, and the same glyph
seen at many offsets against the 16-pixel patch grid is what a patch encoder most needs to see.
"""
import io
import random

import numpy as np
from PIL import Image, ImageDraw

from . import wording
from .charset import class_of
from .fonts import face, pick_name

BLANK = 0


class Canvas:
    """pixels: uint8 [H, W, 3]; cover: uint8 [H, W], the class of the glyph whose box covers a pixel;
    chars: float32 [n, 4] = centre x, centre y, class, line; lines: list of (text, x0, y0, x1, y1)."""

    def __init__(self, pixels, cover, chars, lines):
        self.pixels, self.cover, self.chars, self.lines = pixels, cover, chars, lines


def colours(rng):
    """A background and a text colour far enough apart to be read."""
    while True:
        dark = rng.random() < 0.4
        grey = rng.random() < 0.6
        base = rng.randint(0, 60) if dark else rng.randint(215, 255)
        back = (base,) * 3 if grey else tuple(min(255, max(0, base + rng.randint(-45, 45))) for _ in range(3))
        if rng.random() < 0.12:
            back = tuple(rng.randrange(256) for _ in range(3))
        text = (rng.randint(0, 110),) * 3 if sum(back) > 380 else (rng.randint(150, 255),) * 3
        if rng.random() < 0.3:
            text = tuple(rng.randrange(256) for _ in range(3))
        if abs(luma(back) - luma(text)) > 70:
            return back, text


def luma(c):
    return 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]


class Painter:
    def __init__(self, width, height, rng):
        self.rng, self.width, self.height = rng, width, height
        self.image = Image.new("RGB", (width, height))
        self.draw = ImageDraw.Draw(self.image)
        self.cover = np.zeros((height, width), np.uint8)
        self.chars, self.lines = [], []

    def line(self, x, y, text, f, fill):
        """Draws one line with its top-left corner at (x, y) and records every glyph."""
        self.draw.text((x, y), text, font=f.font, fill=fill, features=None)
        top, bottom = max(0, y), min(self.height, y + f.ascent + f.descent)
        middle = y + f.ascent - 0.36 * f.size
        at = x
        for char in text:
            wide = f.advance(char)
            if char != " ":
                self.cover[top:bottom, round(at):round(at + wide)] = class_of(char)
            self.chars.append((at + wide / 2, middle, class_of(char), len(self.lines)))
            at += wide
        self.lines.append((text, x, y, at, bottom))

    def panel(self, x0, y0, x1, y1, sizes):
        """A rectangle of one background with lines of text in one or two styles."""
        rng = self.rng
        back, ink = colours(rng)
        self.draw.rectangle((x0, y0, x1, y1), fill=back)
        name, size = pick_name(rng), pick_size(rng, sizes)
        y = y0 + rng.randint(0, 6)
        while True:
            if rng.random() < 0.12:
                name, size = pick_name(rng), pick_size(rng, sizes)
            f = face(name, size)
            high = f.ascent + f.descent
            if y + high > y1:
                break
            self.row(x0, x1, y, f, ink)
            y += round(high * rng.choice([0.95, 1.0, 1.1, 1.3, 1.6]))

    def row(self, x0, x1, y, f, ink):
        rng = self.rng
        x = x0 + rng.randint(1, 12)
        while x < x1 - 2 * f.size:
            room = min(x1 - x - 2, rng.choice([80, 160, 400, 1000]))
            text = wording.fill(rng, lambda t: f.width(t) <= room)
            if text:
                self.line(x, y, text, f, ink)
            x += round(f.width(text)) + rng.randint(round(f.size * 0.8), f.size * 3)


def pick_size(rng, sizes):
    return max(sizes[0], min(sizes[1], round(sizes[0] * (sizes[1] / sizes[0]) ** rng.random())))


def spoil(image, rng):
    """What screenshots suffer: JPEG, a little noise."""
    if rng.random() < 0.25:
        data = io.BytesIO()
        image.save(data, "JPEG", quality=rng.randint(45, 95))
        image = Image.open(data).convert("RGB")
    pixels = np.asarray(image)
    if rng.random() < 0.15:
        noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(1, 8), pixels.shape)
        pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    return pixels


def draw_canvas(seed, sizes=(12, 32), width=768, height=384):
    rng = random.Random(seed)
    painter = Painter(width, height, rng)
    y = 0
    while y < height:
        high = rng.randint(60, 200)
        x = 0
        while x < width:
            wide = rng.randint(180, 500)
            painter.panel(x, y, min(width, x + wide), min(height, y + high), sizes)
            x += wide
        y += high
    return Canvas(spoil(painter.image, rng), painter.cover, np.array(painter.chars, np.float32), painter.lines)
