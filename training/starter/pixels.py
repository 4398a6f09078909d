"""The processor's resizing: both sides to multiples of 32, the area within the limits of preprocessor_config.json."""
import math

import numpy as np
from PIL import Image

from .folder import PREPROCESSOR

FACTOR = 32


def target_size(height, width, least=PREPROCESSOR["size"]["shortest_edge"], most=PREPROCESSOR["size"]["longest_edge"]):
    h, w = max(FACTOR, round(height / FACTOR) * FACTOR), max(FACTOR, round(width / FACTOR) * FACTOR)
    if h * w > most:
        beta = math.sqrt(height * width / most)
        return tuple(max(FACTOR, math.floor(v / beta / FACTOR) * FACTOR) for v in (height, width))
    if h * w < least:
        beta = math.sqrt(least / (height * width))
        return tuple(math.ceil(v * beta / FACTOR) * FACTOR for v in (height, width))
    return h, w


def prepare(image):
    """A PIL image → uint8 [H, W, 3] at the size the model sees."""
    image = image.convert("RGB")
    h, w = target_size(image.height, image.width)
    if (h, w) != (image.height, image.width):
        image = image.resize((w, h), Image.Resampling.BICUBIC)
    return np.array(image)


def prepare_pixels(pixels):
    """The same for uint8 [H, W, 3]."""
    return prepare(Image.fromarray(pixels))
