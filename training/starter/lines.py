"""A simulated text reader: the lines of a screen as a detector and a recogniser hand them on, mistakes included."""
from dataclasses import dataclass, field

from . import marks, reading

LOOKALIKE = {"l": "1I", "I": "l1", "1": "lI", "O": "0", "0": "O", "o": "0", "S": "5", "5": "S", "B": "8", "8": "B", "e": "c", "c": "e",
             "a": "o", "n": "h", "h": "n", "u": "v", "v": "u", ".": ",", ",": ".", ":": ";", "t": "f", "i": "l", "g": "q", "•": ".*", "…": "."}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
MOST_LINES = 80          # of a screen; what the product writes at most


@dataclass
class ReadLine:
    """column, row: the middle in hundredths of the picture; middle, high: not rounded; cells: of each character, −1 where there is
    none; mark: what the line is, in the words of marks.words."""
    column: int
    row: int
    middle: float = 0
    high: float = 0
    text: str = ""
    cells: list = field(default_factory=list)
    true: list = field(default_factory=list)      # the true lines in it
    mark: str = "plain"


class Reader:
    """How often one reader errs; drawn once for a picture, so that most pictures are read well."""

    def __init__(self, rng):
        careful = rng.random() < 0.4
        self.rng = rng
        self.letter = 0 if careful else rng.choice([0.003, 0.01, 0.03])
        self.space = 0 if careful else rng.choice([0.02, 0.1, 0.3])
        self.miss = 0 if careful else rng.choice([0, 0.02, 0.08])
        self.join = 0 if careful else rng.choice([0.05, 0.4])

    def spelling(self, text, cells):
        """The characters of a line as read, [(character, its cell, index in the true text)]."""
        rng, out = self.rng, []
        bullets = rng.choice(["•", "•", ".", "*", "·"]) if "••" in text else None
        for i, (char, cell) in enumerate(zip(text, cells)):
            if char == " " and rng.random() < self.space:
                continue
            if char == "•" and bullets:
                char = bullets
            elif char != " " and rng.random() < self.letter:
                char = rng.choice(LOOKALIKE.get(char, LETTERS))
            out.append((char, cell, i))
        return out


def read(rng, painter, most=MOST_LINES):
    """The read lines in reading order, and for each true line its characters as (character, cell, read line, index there),
    or None where it was missed."""
    reader, cells = Reader(rng), reading.cells_by_line(painter)
    lines, said = [], [None] * len(painter.lines)
    for row in reading.rows(painter):
        last, left = None, 0
        for i in row:
            text, x0, y0, x1, y1 = painter.lines[i]
            if rng.random() < reader.miss or not text.strip():
                last = None
                continue
            close = last is not None and x0 - last < 1.6 * (y1 - y0) and rng.random() < reader.join
            if not close:
                if len(lines) == most:
                    return lines, said
                lines.append(ReadLine(0, 0))
                left = x0
            place(lines[-1], painter, left, y0, x1, y1)
            said[i] = write(lines[-1], reader.spelling(text, cells[i]), i, rng.random() < 0.7)
            last = x1
    return lines, said


def perfect(screen, most=MOST_LINES):
    """The lines of a screen as a reader and a classifier without mistakes hand them on; no cells, for answering only."""
    out, painter, known = [], screen.painter, marks.of_lines(screen)
    for i in [i for row in reading.rows(painter) for i in row][:most]:
        text, *box = painter.lines[i]
        out.append(place(ReadLine(0, 0, 0, 0, text, [-1] * len(text), [i], marks.words(known[i])), painter, *box))
    return out


def place(line, painter, x0, y0, x1, y1):
    line.column, line.row = hundredth((x0 + x1) / 2, painter.width), hundredth((y0 + y1) / 2, painter.height)
    line.middle, line.high = 50 * (y0 + y1) / painter.height, 100 * (y1 - y0) / painter.height
    return line


def write(line, spelled, true, spaced):
    """Puts characters at the end of a read line; returns where each came to stand."""
    if line.text and spaced:
        line.text += " "
        line.cells.append(-1)
    out = []
    for char, cell, _ in spelled:
        out.append((char, cell, len(line.text)))
        line.text += char
        line.cells.append(cell)
    line.true.append(true)
    return out


def hundredth(at, side):
    return max(0, min(99, int(100 * at / side)))
