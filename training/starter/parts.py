"""What each true line of a screen is: the element it belongs to and, of a field, whether it is its name or its content."""
from dataclasses import dataclass


@dataclass
class Part:
    node: object
    kind: str          # "text" or "value"


def parts(screen):
    """One Part or None for each line of the painter. Rendered pages bring it along; of drawn ones it is found by place and text."""
    known = getattr(screen.painter, "parts", None)
    if known is not None:
        return known
    nodes = [n for n in screen.root.walk() if n is not screen.root and (n.text or n.state.get("value"))]
    return [find(nodes, line) for line in screen.painter.lines]


def find(nodes, line):
    text, x0, y0, x1, y1 = line
    best = None
    for node in nodes:
        kind = "text" if node.text == text or text in node.text.split(" | ") else "value" if node.state.get("value") == text else None
        if kind is None:
            continue
        a, b, c, d = node.box
        away = max(0, a - x1, x0 - c) + max(0, b - y1, y0 - d)          # a field's name stands outside its box
        if away < 40 and (best is None or away < best[0]):
            best = (away, Part(node, kind))
    return best and best[1]
