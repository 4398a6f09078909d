"""Pairs of screens that differ by known edits."""
import random

from starter import wording

from . import wordings
from .drawing import draw
from .widgets import ACTIONS

REWORDABLE = ("button", "heading", "text", "item", "line", "message", "link", "tab")
FLIPPABLE = ("checkbox", "switch", "radio")
FLIPPED = {"checkbox": ("checked", "not checked"), "radio": ("checked", "not checked"), "switch": ("on", "off")}


def pair(seed, height, width, sizes):
    """before, after, and the edit as (node before, "text" or "mark", node after) or None when nothing changed."""
    rng = random.Random(f"edit {seed}")
    before = draw(seed, height, width, sizes)
    nodes = [n for n in before.root.all(*REWORDABLE, *FLIPPABLE) if unique(n, before)]
    if not nodes or rng.random() < 0.15:
        return before, draw(seed, height, width, sizes), None
    node = rng.choice(nodes)
    if node.role in FLIPPABLE:
        after = draw(seed, height, width, sizes, flip=node.text)
        return before, after, (node, "mark", twin(after, node))
    other = rng.choice([a for a in ACTIONS if a != node.text]) if node.role == "button" else wording.phrase(rng, 3)
    after = draw(seed, height, width, sizes, replace={node.text: other})
    found = twin(after, node)
    if found is None:       # the new text found no room
        return before, before, None
    return before, after, (node, "text", found)


def unique(node, screen):
    """Drawn once and whole, so that replacing its text changes this element alone."""
    return node.text and not node.text.endswith("…") and [line[0] for line in screen.painter.lines].count(node.text) == 1


def twin(after, node):
    """The node at the same place in the tree, by role and nearest corner; None where the role is gone."""
    return min(after.root.all(node.role), key=lambda n: abs(n.box[0] - node.box[0]) + abs(n.box[1] - node.box[1]), default=None)


def sentence(edit, spell_before, spell_after):
    if edit is None:
        return [wordings.NO_DIFFERENCE]
    node, form, after = edit
    if form == "mark":
        yes, no = FLIPPED[node.role]
        now = yes if "yes" in (after.state.get("checked"), after.state.get("on")) else no
        return [f'The {node.role} "', spell_after(node.text, node.box), f'" is now {now}.']
    return [f'The {node.role} "', spell_before(node.text, node.box), '" became "', spell_after(after.text, after.box), '".']
