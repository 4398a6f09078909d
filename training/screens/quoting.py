"""Texts of elements as a simulated reader saw them: an answer quotes read lines and nothing else."""
from starter import marks
from starter.lines import read
from starter.parts import parts
from starter.prompt import Spelled

from .wordings import Unread


class Quoter:
    """`quoter(text, box)` for wordings and questions: the element's lines as they were read, each character with its cell and its
    place among the read lines. image: index of the picture; offset: visual rows before it."""

    def __init__(self, rng, screen, image=0, offset=0):
        self.screen, self.image, self.offset = screen, image, offset
        self.lines, self.said = read(rng, screen.painter)
        self.parts = parts(screen)
        classify, known = marks.Classifier(rng), marks.of_lines(screen)
        for line in self.lines:
            line.mark = classify(known[line.true[0]])

    def __call__(self, text, box):
        found = [i for i, p in enumerate(self.parts) if p and p.node.box == box and self.whole(p) == text]
        if not found:                       # a page's title is that of the element that says it
            named = next((p.node for p in self.parts if p and p.node.text == text), None)
            found = [i for i, p in enumerate(self.parts) if p and p.node is named and p.kind == "text"]
        if not found:
            found = [i for i, line in enumerate(self.screen.painter.lines) if line[0] == text][:1]
        if not found or any(self.said[i] is None for i in found):
            raise Unread(text)
        row = self.parts[found[0]] and self.parts[found[0]].node.role in ("row", "header")
        return self.join(found, " | " if row else " ")

    @staticmethod
    def whole(part):
        return part.node.text if part.kind == "text" else part.node.state.get("value")

    def join(self, found, joint):
        text, places, sources = "", [], []
        for n, i in enumerate(found):
            if n:
                text += joint
                places += [-1] * len(joint)
                sources += [None] * len(joint)
            line = self.line_of(i)
            for char, cell, index in self.said[i]:
                text += char
                places.append(cell + self.offset if cell >= 0 else -1)
                sources.append((self.image, line, index))
        return Spelled(text, places, sources)

    def line_of(self, true):
        return next(n for n, line in enumerate(self.lines) if true in line.true)
