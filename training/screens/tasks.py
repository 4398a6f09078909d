"""Examples made of screens: every tool's instruction, questions, several turns."""
import random
import re

import numpy as np

from starter import reading, targets
from starter.prompt import Spelled, answer_tokens, instructions, question_pieces

from . import edits, questions, wordings
from .drawing import PLAIN, draw, draw_other
from .quoting import Quoter
from .wordings import Unread


QUOTED = re.compile(r'"([^"\n]+)"')


def speller(screen, offset=0):
    """`spell(text, box)` without a reader: the text with its characters' cells if the painter drew it within the box."""
    by_line = reading.cells_by_line(screen.painter)

    def spell(text, box):
        for i, (drawn, x, y, _, _) in enumerate(screen.painter.lines):
            if drawn == text and box[0] - 2 <= x <= box[2] + 2 and box[1] - 40 <= y <= box[3] + 2:
                return Spelled(text, [c + offset for c in by_line[i]])
        return Spelled(text)
    return spell


def example(seed, height, width, sizes=(12, 16)):
    """A drawn screen with one to four turns, or a drawn pair."""
    rng = random.Random(f"task {seed}")
    r = rng.random()
    if r < 0.12:
        before, after, edit = edits.pair(seed, height, width, sizes)
        return compare(rng, before, after, edit)
    return about(rng, draw_other(seed, height, width) if r < 0.17 else draw(seed, height, width, sizes))


def about(rng, screen, budget=480):
    """One image with what a reader read in it and several turns, for answers are what trains; now and then without the reader.
    Most often the turns are questions, which are short: many of them cost little more than the picture."""
    if rng.random() < 0.06:
        spell, quoter = speller(screen), None
    else:
        spell = quoter = Quoter(rng, screen)
    questions_only = quoter and screen.kind != PLAIN and rng.random() < 0.3
    made = [t for t in (asked_about(rng, screen, spell) if questions_only and rng.random() < 0.95 else turn(rng, screen, spell, quoter)
                        for _ in range(rng.randint(8, 18) if questions_only else rng.randint(2, 7))) if t]
    turns = [t for i, t in enumerate(made) if t[0] not in [m[0] for m in made[:i]]]
    turns = affordable(turns or [(instructions()["describe"]["brief"], wordings.brief(screen, spell))], budget)
    return bundle([screen], [(pointed(q, screen, quoter), a) for q, a in turns], [quoter])


def pointed(question, screen, quoter):
    """The question with its quotations spelled, each character with its place among the read lines where it was read so."""
    def sources(text):
        boxes = [n.box for n in screen.root.walk() if n.text == text]
        try:
            said = quoter(text, boxes[0]) if quoter and len(boxes) == 1 else None
        except Unread:
            said = None
        return said.sources if said and said.text == text else None
    return question_pieces(question, [sources(text) for text in QUOTED.findall(question)])


def affordable(turns, most=360):
    """The turns whose answers fit a step's budget of tokens, the first cut in favour of the shortest."""
    turns = sorted(turns, key=lambda t: len(answer_tokens(t[1])) > most)
    lengths = np.cumsum([len(answer_tokens(t[1])) for t in turns])
    return [t for t, n in zip(turns, lengths) if n <= most] or turns[:1]


def turn(rng, screen, spell, quoter):
    """A question and its answer's pieces; None where the reader missed what the answer would quote."""
    asked = instructions()
    form = rng.choices(["text", "brief", "normal", "full", "question"], [6, 9, 9, 32, 44])[0]
    if form == "text":
        return asked["ocr"]["text"], copied(quoter) if quoter else read_text(screen)
    if form == "question" and screen.kind == PLAIN:
        return rng.choice(["What is the title?", "Is there an error?", "What does this screen show?"]), [wordings.NOT_A_SCREEN]
    if form == "question":
        return asked_about(rng, screen, spell)
    return asked["describe"][form], getattr(wordings, form)(screen, spell)


def asked_about(rng, screen, spell):
    """The first of the forms, in any order, that the screen allows: to try all of them is a quarter of what an example costs."""
    tried = (questions.allowed(form, rng, screen, spell) for form in rng.sample(questions.TRAINED, len(questions.TRAINED)))
    made = next((m for m in tried if m), None)
    return made and (questions.reworded(rng, made[1]), made[2])


def copied(quoter):
    """The read lines once more, one per row."""
    out = []
    for i, line in enumerate(quoter.lines):
        out += ["\n"] if i else []
        out += [Spelled(line.text, line.cells, [(quoter.image, i, j) for j in range(len(line.text))])]
    return out or [wordings.NO_TEXT]


def read_text(screen):
    text, places = reading.transcription(screen.painter)
    return [Spelled(text, places)] if text else [wordings.NO_TEXT]


def compare(rng, before, after, edit):
    first = Quoter(rng, before)
    second = Quoter(rng, after, 1, before.painter.height * before.painter.width // 1024)
    try:
        pieces = edits.sentence(edit, first, second)
    except Unread:
        return about(rng, before)
    return bundle([before, after], [(instructions()["compare"]["whole"], pieces)], [first, second])


def bundle(screens, turns, quoters):
    """What collate and assemble need of an example."""
    def chars(s):
        return np.array(s.painter.chars, np.float32).reshape(-1, 4)
    return dict(images=[s.pixels for s in screens], spots=[targets.spots(s.painter.cover) for s in screens], turns=turns,
                slots=[targets.slots(chars(s), s.painter.width, s.painter.height) for s in screens],
                reads=[q.lines for q in quoters] if all(quoters) else None)
