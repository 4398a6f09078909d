"""Token sequences of examples: the product's canonical layout, with the answers' tokens as targets.

Text read off the screen is *spelled*: one token per byte, so that an output character is a step of its own
and has a place in the image. All other wording uses the BPE's merges.
"""
import json
import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from screens import wordings

from .config import TOKEN
from .folder import TOKENIZER
from .marks import counts

INSTRUCTIONS = Path(__file__).resolve().parents[2] / "src/prompt/instructions.json"
IGNORED = -100
DARK = 112
COPIED, SAID, DECIDING = 1, 3, 8      # weights: copied characters are most of an answer and soon easy; the first token decides


@lru_cache
def instructions():
    return json.loads(INSTRUCTIONS.read_text())


@lru_cache
def tokenizer():
    from tokenizers import Tokenizer
    return Tokenizer.from_file(str(TOKENIZER))


@lru_cache(maxsize=4096)
def encode(text):
    return tuple(tokenizer().encode(text).ids)


class Spelled:
    """Text of the image. For each character: places, the index of its cell over all images, or −1;
    sources, where it stands among the read lines, (image, line, character), or None."""

    def __init__(self, text, places=None, sources=None):
        self.text = text
        self.places = places if places is not None else [-1] * len(text)
        self.sources = sources if sources is not None else [None] * len(text)

    def tokens(self):
        return [(t, p, (s, i) if s else None) for c, p, s in zip(self.text, self.places, self.sources)
                for i, t in enumerate(encode(c))]


def question_pieces(question, known=()):
    """What stands between quotation marks is spelled as read lines are, so that it is found among them letter by letter.
    known: sources of the quotations' characters, one list for each."""
    pieces, known = re.split(r'"([^"\n]+)"', question), iter(known)
    for i in range(1, len(pieces), 2):
        pieces[i - 1] += '"'
        pieces[i] = Spelled(pieces[i], sources=next(known, None))
        pieces[i + 1] = '"' + pieces[i + 1]
    return pieces


def answer_tokens(pieces):
    """[(token, cell or −1, source or None)] of an answer made of strings and Spelled pieces."""
    out = []
    for piece in pieces:
        out += piece.tokens() if isinstance(piece, Spelled) else [(t, -1, None) for t in encode(piece)]
    return out


class Sequence:
    def __init__(self):
        self.ids, self.labels, self.weights, self.cells, self.sources, self.positions = [], [], [], [], [], []
        self.next = 0                     # next text position
        self.visual = 0                   # visual rows so far
        self.written = {}                 # (image, line, character) → its first row
        self.marked = []                  # (row of a read line's character, row where its mark ends)

    def text(self, tokens, trained=False):
        if not tokens:
            return
        ids, cells, sources = zip(*tokens)
        self.ids += ids
        self.labels += ids if trained else [IGNORED] * len(ids)
        self.weights += [DECIDING, *(COPIED if source else SAID for source in sources[1:])]
        self.cells += cells
        self.sources += [self.written[source[0]] + source[1] if source else -1 for source in sources]
        self.positions += [(at,) * 3 for at in range(self.next, self.next + len(ids))]
        self.next += len(ids)

    def plain(self, text):
        self.text([(t, -1, None) for t in encode(text)])

    def image(self, rows, columns):
        self.plain("<|vision_start|>")
        count = rows * columns
        self.ids += [TOKEN["<|image_pad|>"]] * count
        self.labels += [IGNORED] * count
        self.weights += [0] * count
        self.cells += range(self.visual, self.visual + count)
        self.sources += [-1] * count
        self.positions += [(self.next, self.next + r, self.next + c) for r in range(rows) for c in range(columns)]
        self.visual += count
        self.next += max(rows, columns)
        self.plain("<|vision_end|>")

    def read(self, image, lines, dark, offset):
        """The lines that a reader found in an image and what each is, as the product writes them; offset: visual rows before it."""
        found = ", ".join(wordings.plural(role, n) for role, n in counts(lines))
        self.plain(instructions()["elements"]["dark" if dark else "light"] + (f" {found}" if found else "") + "\n")
        for i, line in enumerate(lines):
            self.plain(f"{line.column} {line.row} ")
            self.plain(f"{line.mark}: ")
            end, tokens = len(self.ids) - 1, []
            for j, (char, cell) in enumerate(zip(line.text, line.cells)):
                row = self.written[image, i, j] = len(self.ids) + len(tokens)
                self.marked.append((row, end))
                tokens += [(t, cell + offset if cell >= 0 else -1, None) for t in encode(char)]
            self.text(tokens)
            self.plain("\n")


def is_dark(pixels):
    """Whether most of an image [H, W, 3] is dark: the median of green, the product's rule too."""
    return bool(np.median(pixels[:, :, 1]) < DARK)


def sequence(example, height, width):
    """system, images, then question and answer per turn; the last answer ends with <|im_end|> too.
    A `bare` example has only its images and its first answer: cheaper while reading itself is learned."""
    s = Sequence()
    if example.get("bare"):
        s.image(height // 32, width // 32)
        s.text(answer_tokens(example["turns"][0][1]) + [(TOKEN["<|im_end|>"], -1, None)], trained=True)
        return s
    s.plain(f"<|im_start|>system\n{instructions()['system']}<|im_end|>\n<|im_start|>user\n")
    for i, _ in enumerate(example["images"]):
        s.image(height // 32, width // 32)
        if example.get("reads"):
            s.read(i, example["reads"][i], is_dark(example["images"][i]), s.visual - height * width // 1024)
    for i, (question, pieces) in enumerate(example["turns"]):
        if i:
            s.plain("\n<|im_start|>user\n")
        s.text(answer_tokens(question_pieces(question) if isinstance(question, str) else question))
        s.plain("<|im_end|>\n<|im_start|>assistant\n")
        s.text(answer_tokens(pieces) + [(TOKEN["<|im_end|>"], -1, None)], trained=True)
    return s


def collate(examples, height, width, multiple=64):
    """Arrays of a batch, padded to a multiple so that few shapes occur: ids, labels, cells, sources int64 [B, L] (labels
    are of the same position, not shifted), weights float32 [B, L] of the labels, marks int64 [B, L] (of a read line's
    character: the row where the line's mark ends, else −1), positions [3, B, L]."""
    made = [sequence(e, height, width) for e in examples]
    length = -(-max(len(s.ids) for s in made) // multiple) * multiple if multiple > 1 else max(len(s.ids) for s in made)
    ids = np.full((len(made), length), TOKEN["<|endoftext|>"], np.int64)
    labels = np.full_like(ids, IGNORED)
    cells, sources, marks = (np.full_like(ids, -1) for _ in range(3))
    weights = np.zeros(ids.shape, np.float32)
    positions = np.zeros((3, len(made), length), np.int64)
    for i, s in enumerate(made):
        n = len(s.ids)
        ids[i, :n], labels[i, :n], cells[i, :n], sources[i, :n] = s.ids, s.labels, s.cells, s.sources
        weights[i, :n] = s.weights
        if s.marked:
            marked, ends = zip(*s.marked)
            marks[i, list(marked)] = ends
        positions[:, i, :n] = np.array(s.positions).T
    return dict(ids=ids, labels=labels, weights=weights, cells=cells, sources=sources, marks=marks, positions=positions)
