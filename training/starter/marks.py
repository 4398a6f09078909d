"""Role, states and colour of every line: what the element classifier learns, and what a prompt says of a read line."""
from collections import Counter

import numpy as np
from screens import wordings
from screens.theme import ACCENTS

from .parts import parts

ROLES = ["", *wordings.SAID, "value"]
STATES = ["checked", "not checked", "on", "off", "selected", "focused", "disabled", "wrong"]
COLOURS = ["", *ACCENTS]
IGNORED = -100
PAIRS = [(0, 1), (2, 3)]          # states of which one holds
STATES_OF = {"checkbox": ["checked", "not checked", "disabled"], "radio": ["checked", "not checked", "disabled"], "switch": ["on", "off", "disabled"],
             "plain": ["selected", "focused", "disabled", "wrong"]}
ALIKE = {"button": ["link", "tab", "", "value"], "link": ["text", "button", "tab", "item"], "tab": ["button", "link", "heading"], "field": ["text", "", "value"],
         "value": ["field", "text", ""], "checkbox": ["radio", "switch", "item", "text"], "radio": ["checkbox", "switch", "item"], "switch": ["checkbox", "item", "text"],
         "heading": ["text", "link", ""], "text": ["", "heading", "message", "line"], "error": ["text", "message", ""], "message": ["text", "item", "error"],
         "item": ["menu item", "row", "link", "text"], "menu item": ["item", "link", "button"], "header": ["row", "text", ""], "row": ["item", "header", "text"],
         "line": ["text", "item", ""], "bar": ["text", "", "row"], "": ["text", "heading", "line", "value"]}
FIELDS = 1 + len(STATES) + 1          # role, states, colour (IGNORED where nothing has one)


def of_lines(screen):
    """int64 [lines, FIELDS] of the painter's lines."""
    out = np.zeros((len(screen.painter.lines), FIELDS), np.int64)
    for row, part in zip(out, parts(screen)):
        row[-1] = IGNORED
        if part is None:
            continue
        role = "value" if part.kind == "value" else part.node.role
        row[0] = ROLES.index(role) if role in ROLES else 0
        for i, state in enumerate(STATES):
            row[1 + i] = state in wordings.states(part.node)
        if part.node.role == "button":
            colour = part.node.state.get("colour")
            row[-1] = COLOURS.index(colour) if colour in COLOURS else 0
    return out


def words(mark):
    """A mark as a prompt writes it: "button, disabled, blue"; the states a role has, never others."""
    role = ROLES[mark[0]] or "plain"
    said = [state for state, on in zip(STATES, mark[1:-1]) if on and state in STATES_OF.get(role, STATES_OF["plain"])]
    return ", ".join([role, *said, *([COLOURS[mark[-1]]] if role == "button" and mark[-1] > 0 else [])])


def counts(lines):
    """How many elements of each role the lines are, most frequent first; the cells of a row, beside each other, are one."""
    found, last = Counter(), None
    for line in lines:
        role = line.mark.split(",")[0]
        beside = last is not None and last.mark.split(",")[0] == role and abs(line.middle - last.middle) <= 0.5 * last.high
        if role in wordings.COUNTED and not (role == "row" and beside):
            found[role] += 1
        last = line
    return sorted(found.items(), key=lambda f: (-f[1], wordings.COUNTED.index(f[0])))


class Classifier:
    """A simulated classifier of lines; how often it errs is drawn once for a picture."""

    def __init__(self, rng):
        self.rng, self.error = rng, rng.choice([0, 0.01, 0.04, 0.1])

    def __call__(self, mark):
        rng, out = self.rng, np.array(mark)
        role = ROLES[out[0]]
        if rng.random() < self.error:
            out[0] = ROLES.index(rng.choice(ALIKE.get(role, ROLES)))
        if rng.random() < self.error:
            flip(out, rng)
        return words(out)


def flip(mark, rng):
    """One state wrong: the other of its pair where it has one."""
    pair = next(((a, b) for a, b in PAIRS if mark[1 + a] or mark[1 + b]), None)
    if pair:
        mark[[1 + pair[0], 1 + pair[1]]] = mark[[1 + pair[1], 1 + pair[0]]]
    else:
        mark[1 + rng.choice([STATES.index(s) for s in ("selected", "focused", "disabled", "wrong")])] ^= 1
