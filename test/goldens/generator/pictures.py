"""Pictures with smooth and sharp structure, each determined by a random generator, its size and its kind."""
import numpy as np
from PIL import Image, ImageDraw, ImageFont


def draw(rng, width, height, kind):
    """kind: gradient, waves, shapes or text. Returns an RGB image."""
    image = Image.fromarray(np.clip(_ground(rng, width, height, kind == "waves"), 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    if kind == "shapes":
        _shapes(rng, pen, width, height)
    if kind == "text":
        _lines(rng, pen, width, height)
    return image


def save(path, rng, width, height, kind="gradient", form="rgb"):
    """form: rgb, rgba (a transparent side), gray, palette, or exifN (orientation N). The suffix chooses PNG or JPEG."""
    image, options = draw(rng, width, height, kind), {}
    if form == "rgba":
        image.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))))
    elif form == "gray":
        image = image.convert("L")
    elif form == "palette":
        image = image.quantize(32, dither=Image.Dither.NONE)
    elif form.startswith("exif"):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = int(form[4:])
    if path.suffix == ".jpg":
        options.update(quality=88, subsampling=2)
    image.save(path, **options)


def _colour(rng):
    return tuple(int(v) for v in rng.integers(0, 256, 3))


def _ground(rng, width, height, waves):
    """A colour for each corner, blended; waves on top of it."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = (x / max(width - 1, 1))[..., None], (y / max(height - 1, 1))[..., None]
    corners = rng.uniform(0, 255, (4, 3))
    ground = corners[0] * (1 - x) * (1 - y) + corners[1] * x * (1 - y) + corners[2] * (1 - x) * y + corners[3] * x * y
    if waves:
        across, down = rng.uniform(18, 84, 2)
        ground = ground / 2 + 63 * (2 + np.sin(across * x) + np.cos(down * y)) * rng.uniform(0.3, 1, 3)
    return ground


def _shapes(rng, pen, width, height):
    for _ in range(6):
        left, top = rng.uniform(-0.1, 0.8) * width, rng.uniform(-0.1, 0.8) * height
        box = [left, top, left + rng.uniform(0.1, 0.5) * width + 1, top + rng.uniform(0.1, 0.5) * height + 1]
        shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        shape(box, fill=_colour(rng), outline=_colour(rng))


def _lines(rng, pen, width, height):
    font = ImageFont.load_default()
    for line in range(max(2, height // 14)):
        left = int(rng.integers(0, max(1, width // 3)))
        pen.text((left, line * 13), f"Line {rng.integers(10**6)} {'xyzABC'[: 1 + line % 6]}", fill=_colour(rng), font=font)
