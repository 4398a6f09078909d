"""The fonts of training/fonts as a catalogue, and cached glyph advances."""
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

FOLDER = Path(__file__).resolve().parent.parent / "fonts"

SANS = ["Inter-Regular.otf", "Roboto-Regular.ttf", "OpenSans-Regular.ttf", "LiberationSans-Regular.ttf",
        "DejaVuSans.ttf", "NotoSans-Regular.ttf", "Cantarell-Regular.otf"]
BOLD = ["Inter-SemiBold.otf", "Roboto-Medium.ttf", "OpenSans-Semibold.ttf", "LiberationSans-Bold.ttf",
        "Cantarell-Bold.otf"]
MONO = ["DejaVuSansMono.ttf", "LiberationMono-Regular.ttf", "JetBrainsMono-Regular.ttf",
        "FiraCode-Regular.ttf", "Hack-Regular.ttf"]
SERIF = ["LiberationSerif-Regular.ttf"]
BOLD_OF = dict(zip(["Inter-Regular.otf", "Roboto-Regular.ttf", "OpenSans-Regular.ttf",
                    "LiberationSans-Regular.ttf", "Cantarell-Regular.otf"], BOLD))


class Face:
    """One font at one size, with its advances cached: text is drawn without kerning or ligatures."""

    def __init__(self, name, size):
        self.name, self.size = name, size
        self.font = ImageFont.truetype(str(FOLDER / name), size, layout_engine=ImageFont.Layout.BASIC)
        self.ascent, self.descent = self.font.getmetrics()
        self._advance = {}

    def advance(self, char):
        if char not in self._advance:
            self._advance[char] = self.font.getlength(char)
        return self._advance[char]

    def width(self, text):
        return sum(self.advance(c) for c in text)


@lru_cache(maxsize=1024)
def face(name, size):
    return Face(name, size)


def pick_name(rng):
    """A font name: mostly sans, as on real screens."""
    group = rng.choices([SANS, BOLD, MONO, SERIF], [55, 18, 23, 4])[0]
    return rng.choice(group)
