"""Draws text and shapes of a theme, and grows the tree as it goes."""
from .tree import Node


class Pen:
    def __init__(self, painter, theme):
        self.painter, self.theme, self.draw = painter, theme, painter.draw
        self.root = None
        self.stack = []
        self.replace, self.flip = {}, None        # an edit: text → other text, and the label whose mark flips

    def node(self, role, text="", box=(0, 0, 0, 0), **state):
        made = Node(role, text, tuple(round(v) for v in box), {k: v for k, v in state.items() if v not in (None, False)})
        if self.stack:
            self.stack[-1].children.append(made)
        else:
            self.root = made
        return made

    def open(self, *args, **state):
        self.stack.append(self.node(*args, **state))
        return self.stack[-1]

    def close(self):
        self.stack.pop()

    def text(self, x, y, text, face, ink=None, room=None):
        """One line, shortened with … to `room`; returns what was drawn and its box."""
        text = self.replace.get(text, text)
        text = text if room is None else shorten(text, face, room)
        if text:
            self.painter.line(round(x), round(y), text, face, ink or self.theme.ink)
        return text, (x, y, x + face.width(text), y + face.ascent + face.descent)

    def box(self, box, fill=None, outline=None, width=1, radius=None):
        radius = self.theme.radius if radius is None else radius
        self.draw.rounded_rectangle([round(v) for v in box], radius, fill=fill, outline=outline, width=width)


def height(face):
    return face.ascent + face.descent


def shorten(text, face, room):
    if face.width(text) <= room:
        return text
    while text and face.width(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…" if len(text) > 1 else ""


def whole_words(text, face, room):
    """The words at the beginning that fit, ending as a sentence does; the first one is shortened when it alone is too wide."""
    words = text.split()
    while len(words) > 1 and face.width(" ".join(words)) > room:
        words = words[:-1]
        words[-1] = words[-1].rstrip(".,:;!?") + "."
    return shorten(" ".join(words), face, room)


class Flow:
    """A cursor going down a region."""

    def __init__(self, x0, y0, x1, y1, gap):
        self.x0, self.y, self.x1, self.y1, self.gap = x0, y0, x1, y1, gap

    def take(self, high):
        """The top of a free strip of this height, or None when the region is full."""
        if self.y + high > self.y1:
            return None
        top = self.y
        self.y += high + self.gap
        return top

    @property
    def width(self):
        return self.x1 - self.x0
