"""Colours, fonts and measures that a screen's elements share."""
from starter.fonts import BOLD_OF, MONO, SANS, face

ACCENTS = {"blue": (37, 99, 235), "green": (22, 140, 70), "purple": (124, 58, 200), "red": (205, 45, 45),
           "orange": (215, 105, 10), "teal": (13, 130, 130), "gray": (90, 98, 110)}
ERROR = (200, 30, 40)


class Theme:
    def __init__(self, rng, small=12, large=18):
        self.dark = rng.random() < 0.4
        shade = rng.randint(0, 22)
        self.back = (18 + shade,) * 3 if self.dark else (255 - shade,) * 3
        self.panel = tuple(c + (12 if self.dark else -8) for c in self.back)
        self.ink = (232,) * 3 if self.dark else (28,) * 3
        self.faint = (150,) * 3 if self.dark else (115,) * 3
        self.line = (70,) * 3 if self.dark else (205,) * 3
        self.accent_name = rng.choice(list(ACCENTS))
        self.accent = ACCENTS[self.accent_name]
        self.error = (250, 100, 100) if self.dark else ERROR
        self.name = rng.choice(SANS)
        self.mono = rng.choice(MONO)
        self.size = rng.randint(small, large)
        self.radius = rng.choice([0, 3, 4, 6, 8])
        self.gap = round(rng.randint(6, 14) * max(1, self.size / 16))

    def face(self, scale=1.0, bold=False, mono=False):
        name = self.mono if mono else BOLD_OF.get(self.name, self.name) if bold else self.name
        return face(name, max(10, min(40, round(self.size * scale))))
