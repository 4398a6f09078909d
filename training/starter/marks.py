"""Role, states and colour of every line, to be named from the image alone by heads that only training uses."""
import numpy as np
from screens import wordings
from screens.theme import ACCENTS

from .parts import parts

ROLES = ["", *wordings.SAID, "value"]
STATES = ["checked", "not checked", "on", "off", "selected", "focused", "disabled", "wrong"]
COLOURS = ["", *ACCENTS]
IGNORED = -100
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


def of_cells(line_marks, painter):
    """int64 [n, 2 + FIELDS]: cell, half of it (by the height of the line's middle) where a line begins, has its middle
    and ends, and what is to be said there."""
    columns, rows = painter.width // 32, painter.height // 32
    out = []
    for (_, x0, y0, x1, y1), said in zip(painter.lines, line_marks):
        y = int(min(painter.height - 1, max(0, (y0 + y1) / 2)))
        for x in sorted({min(columns - 1, max(0, int(v) // 32)) for v in (x0 + 2, (x0 + x1) / 2, x1 - 2)}):
            out.append([min(rows - 1, y // 32) * columns + x, y // 16 % 2, *said])
    return np.array(out, np.int64).reshape(-1, 2 + FIELDS)


def batched(made, ends):
    """Over a batch: cell marks [n, 3 + FIELDS] with the image's index before them, and line marks [m, 2 + FIELDS]:
    example, row of the line's end in the sequence, and what its (first) true line is. ends: of prompt.collate."""
    cells, image = [], 0
    for e in made:
        for of_image, painter in zip(e["marks"], e["painters"]):
            found = of_cells(of_image, painter)
            cells.append(np.concatenate((np.full((len(found), 1), image), found), 1))
            image += 1
    lines = [[b, row, *made[b]["marks"][i][made[b]["reads"][i][line].true[0]]] for b, row, i, line in ends]
    return np.concatenate(cells), np.array(lines, np.int64).reshape(-1, 2 + FIELDS)
