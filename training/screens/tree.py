"""The ground truth of a screen: a tree of elements with role, text, box in pixels and state."""
from dataclasses import dataclass, field


@dataclass
class Node:
    role: str
    text: str = ""
    box: tuple = (0, 0, 0, 0)                    # x0, y0, x1, y1 in pixels
    state: dict = field(default_factory=dict)    # checked, on, selected, focused, disabled, error, value, colour
    children: list = field(default_factory=list)

    def walk(self):
        out = [self]
        for child in self.children:
            out += child.walk() if child.children else [child]
        return out

    def all(self, *roles):
        return [n for n in self.walk() if n.role in roles]


@dataclass
class Screen:
    """pixels uint8 [H, W, 3]; painter: what was drawn, glyph by glyph (see starter.canvas)."""
    kind: str
    root: Node
    pixels: object
    painter: object
    dark: bool
