"""Examples made of screens: every tool's instruction, questions, several turns."""
import random

import numpy as np

from starter import reading, targets
from starter.prompt import Spelled, answer_tokens, instructions

from . import edits, questions, wordings
from .drawing import PLAIN, draw, draw_other


def speller(screen, offset=0):
    """`spell(text, box)`: the text with its characters' cells if the painter drew it within the box."""
    by_line = reading.cells_by_line(screen.painter)

    def spell(text, box):
        for i, (drawn, x, y, _, _) in enumerate(screen.painter.lines):
            if drawn == text and box[0] - 2 <= x <= box[2] + 2 and box[1] - 40 <= y <= box[3] + 2:
                return Spelled(text, [c + offset for c in by_line[i]])
        return Spelled(text)
    return spell


def example(seed, height, width, sizes=(12, 16)):
    """An example of one image and one to three turns, or of a pair."""
    rng = random.Random(f"task {seed}")
    r = rng.random()
    if r < 0.1:
        return compare(seed, height, width, sizes)
    screen = draw_other(seed, height, width) if r < 0.14 else draw(seed, height, width, sizes)
    return bundle([screen], affordable([turn(rng, screen) for _ in range(rng.randint(1, 3))]))


def affordable(turns, most=360):
    """The turns whose answers fit a step's budget of tokens, the first cut in favour of the shortest."""
    turns = sorted(turns, key=lambda t: len(answer_tokens(t[1])) > most)
    lengths = np.cumsum([len(answer_tokens(t[1])) for t in turns])
    return [t for t, n in zip(turns, lengths) if n <= most] or turns[:1]


def turn(rng, screen):
    asked, spell = instructions(), speller(screen)
    # Reading weighs most: every other answer quotes what was read.
    form = rng.choices(["text", "lines", "brief", "normal", "full", "question"], [55, 8, 6, 4, 11, 16])[0]
    if form == "lines" and len(screen.painter.lines) > 7:       # forty tokens each
        form = "text"
    if form == "text":
        return asked["ocr"]["text"], read_text(screen)
    if form == "lines":
        return asked["ocr"]["lines"], read_lines(screen)
    if form == "question" and screen.kind == PLAIN:
        return rng.choice(["What is the title?", "Is there an error?", "What does this screen show?"]), [wordings.NOT_A_SCREEN]
    if form == "question":
        _, question, pieces = questions.ask(rng, screen, spell)
        return question, pieces
    return asked["describe"][form], getattr(wordings, form)(screen, spell)


def read_text(screen):
    text, places = reading.transcription(screen.painter)
    return [Spelled(text, places)] if text else [wordings.NO_TEXT]


def read_lines(screen, most=40):
    """JSON in Qwen's grounding form: boxes in thousandths of the image."""
    painter, by_line, out = screen.painter, reading.cells_by_line(screen.painter), []
    for i in [i for row in reading.rows(painter) for i in row][:most]:
        text, x0, y0, x1, y1 = painter.lines[i]
        box = thousandths((x0, y0, x1, y1), painter.width, painter.height)
        out += [f'{", " if out else "["}{{"bbox_2d": {box}, "text": "', Spelled(*escaped(text, by_line[i])), '"}']
    return out + ["]"] if out else ["[]"]


def thousandths(box, width, height):
    return [max(0, min(1000, round(v * 1000 / side))) for v, side in zip(box, (width, height, width, height))]


def escaped(text, places):
    """JSON's escapes; an escaped character's two share its place."""
    pairs = [("\\" + c if c in '"\\' else c, p) for c, p in zip(text, places)]
    return "".join(c for c, _ in pairs), [p for c, p in pairs for _ in c]


def compare(seed, height, width, sizes):
    before, after, edit = edits.pair(seed, height, width, sizes)
    cells = height * width // 1024
    pieces = edits.sentence(edit, speller(before), speller(after, cells))
    return bundle([before, after], [(instructions()["compare"]["whole"], pieces)])


def bundle(screens, turns):
    """What collate and assemble need of an example."""
    def chars(s):
        return np.array(s.painter.chars, np.float32).reshape(-1, 4)
    return dict(images=[s.pixels for s in screens], spots=[targets.spots(s.painter.cover) for s in screens], turns=turns,
                slots=[targets.slots(chars(s), s.painter.width, s.painter.height) for s in screens])
