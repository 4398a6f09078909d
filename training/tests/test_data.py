"""The generator: determinism, targets, trees. No torch needed but for the patch order."""
import inspect
import random
import unittest

import numpy as np

from screens import drawing, edits, questions, wordings
from screens.kinds import KINDS
from screens.quoting import Quoter
from starter import canvas, charset, lines, marks, measure, parts, reading, scores, targets
from starter.prompt import Spelled


class TargetsTest(unittest.TestCase):
    def test_spots_take_the_class_at_the_middle_of_each_spot(self):
        cover = np.zeros((32, 32), np.uint8)
        cover[0:8, 4:8] = 7                                   # the second spot of the first patch
        cover[24:32, 28:32] = 9                               # the last spot of the last patch
        made = targets.spots(cover)
        self.assertEqual(made.shape, (4, 8))
        self.assertEqual(made[0].tolist(), [0, 7, 0, 0, 0, 0, 0, 0])
        self.assertEqual(made[3].tolist(), [0, 0, 0, 0, 0, 0, 0, 9])

    def test_slots_list_the_characters_of_a_cell_in_reading_order(self):
        chars = np.array([[40, 10, 3, 0], [34, 10, 2, 0], [50, 25, 4, 1], [5, 5, 1, 0], [70, 5, 9, 0]], np.float32)
        made = targets.slots(chars, 64, 32)
        self.assertEqual(made[0][:2].tolist(), [1, 0])
        self.assertEqual(made[1][:4].tolist(), [2, 3, 4, 0])

    def test_slots_keep_the_first_ten(self):
        chars = np.array([[i, 5, i + 1, 0] for i in range(14)], np.float32)
        self.assertEqual(targets.slots(chars, 32, 32)[0].tolist(), list(range(1, 11)))

    def test_a_crop_moves_its_targets(self):
        source = canvas.draw_canvas(3, width=256, height=128)
        pixels, spots, slots = targets.crop(source, 32, 32, 64, 32)
        self.assertTrue((pixels == source.pixels[32:64, 32:96]).all())
        whole = targets.slots(source.chars, 256, 128).reshape(4, 8, -1)
        self.assertTrue((slots == whole[1, 1:3]).all())


class ReadingTest(unittest.TestCase):
    def test_every_character_of_a_line_points_into_the_image(self):
        made = reading.example(5, 64, 256, (12, 20))
        spelled = made["turns"][0][1][0]
        self.assertEqual(len(spelled.text), len(spelled.places))
        self.assertTrue(all(-1 <= p < 16 for p in spelled.places))
        self.assertEqual([c for c, p in zip(spelled.text, spelled.places) if p < 0], [c for c in spelled.text if c == "\n"][:spelled.places.count(-1)])

    def test_the_same_seed_draws_the_same_picture(self):
        a, b = (reading.example(9, 64, 192, (12, 20)) for _ in range(2))
        self.assertEqual(a["text"], b["text"])
        self.assertTrue((a["images"][0] == b["images"][0]).all())


class ScreensTest(unittest.TestCase):
    def test_every_kind_draws_elements_inside_the_picture(self):
        for kind in KINDS:
            screen = drawing.draw(4, 256, 448, kind=kind)
            self.assertEqual(screen.pixels.shape, (256, 448, 3))
            self.assertTrue(screen.root.children, kind)
            for node in screen.root.walk():
                self.assertTrue(-6 <= node.box[0] and node.box[3] <= 262, (kind, node))

    def test_a_full_description_names_roles_texts_and_states_of_the_tree(self):
        screen = drawing.draw(4, 256, 448, kind="settings")
        said = "".join(p if isinstance(p, str) else p.text for p in wordings.full(screen, lambda t, b: Spelled(t)))
        for node in screen.root.all("switch", "checkbox", "radio"):
            self.assertIn(f'{node.role} "{node.text}", {wordings.states(node)[0]}', said)

    def test_a_question_about_a_mark_is_answered_by_its_state(self):
        screen = drawing.draw(4, 256, 448, kind="settings")
        node = screen.root.all("switch", "checkbox", "radio")[0]
        yes = "yes" in (node.state.get("checked"), node.state.get("on"))
        for seed in range(60):
            asked = questions.state(random.Random(seed), screen, lambda t, b: Spelled(t))
            if f'"{node.text}"' in asked[1]:
                self.assertEqual(asked[2], ["Yes." if yes else "No."])
                return
        self.fail("The mark was never asked about.")

    def test_a_pair_differs_exactly_where_an_edit_is_named(self):
        changed = 0
        for seed in range(30):
            before, after, edit = edits.pair(seed, 192, 320, (12, 16))
            texts = [sorted(line[0] for line in s.painter.lines) for s in (before, after)]
            if edit is None:
                self.assertEqual(texts[0], texts[1])
            elif edit[1] == "text":
                changed += 1
                self.assertNotEqual(texts[0], texts[1])
                self.assertEqual(before.root.role, after.root.role)
        self.assertGreater(changed, 8)


class ReaderTest(unittest.TestCase):
    def screen(self, kind="settings"):
        return drawing.draw(4, 256, 448, kind=kind)

    def test_a_careful_reader_hands_on_every_line_in_reading_order(self):
        painter = self.screen().painter
        seed = next(s for s in range(99) if lines.Reader(random.Random(s)).letter == lines.Reader(random.Random(s)).join == 0)
        read, said = lines.read(random.Random(seed), painter)
        self.assertEqual(sorted(r.text for r in read), sorted(line[0] for line in painter.lines))
        self.assertEqual([r.row for r in read], sorted(r.row for r in read))
        for true, line in zip(said, painter.lines):
            self.assertEqual("".join(c for c, _, _ in true), line[0])

    def test_a_perfect_reader_writes_what_a_careful_one_does(self):
        painter = self.screen().painter
        self.assertEqual([r.text for r in lines.perfect(self.screen())], [line[0] for line in sorted(painter.lines, key=lambda l: l[2] + l[4])])

    def test_readers_lose_spaces_and_lines_change_letters_and_join(self):
        painter = self.screen("page").painter
        true = {line[0] for line in painter.lines}
        reads = [lines.read(random.Random(s), painter)[0] for s in range(120)]
        self.assertTrue(any(len(r) < len(true) and all(len(x.true) == 1 for x in r) for r in reads))
        self.assertTrue(any(len(x.true) > 1 for r in reads for x in r))
        bare = {t.replace(" ", "") for t in true}
        self.assertTrue(any(x.text not in true and x.text.replace(" ", "") in bare for r in reads for x in r))
        self.assertTrue(any(len(x.true) == 1 and x.text.replace(" ", "") not in bare for r in reads for x in r))

    def test_an_answer_quotes_what_was_read_and_leaves_out_what_was_not(self):
        for seed in range(60):
            screen = drawing.draw(seed, 256, 448)
            quoter = Quoter(random.Random(seed), screen)
            read = [r.text for r in quoter.lines]
            for piece in wordings.full(screen, quoter):
                if isinstance(piece, Spelled):
                    self.assertTrue(all(p in " ".join(read) for p in piece.text.split(" | ")) or " " in piece.text, (piece.text, read))
                    for char, source in zip(piece.text, piece.sources):
                        self.assertTrue(source is None or quoter.lines[source[1]].text[source[2]] == char)

    def test_the_cells_of_a_row_count_once_and_what_is_no_element_not_at_all(self):
        def line(mark, middle):
            return lines.ReadLine(0, 0, middle=middle, high=4, mark=mark)
        read = [line("header", 2), line("row", 10), line("row", 11), line("row, selected", 16), line("button", 30), line("button, blue", 30), line("plain", 40)]
        self.assertEqual(marks.counts(read), [("button", 2), ("row", 2)])

    def test_a_question_in_other_words_asks_the_same(self):
        self.assertEqual(questions.reworded(random.Random(0), "Who made this?", 1), "Who made this?")
        for seed in range(40):
            said = questions.reworded(random.Random(seed), 'Is the checkbox "Keep me" checked?', 1)
            self.assertEqual(said, 'Is "Keep me" checked?')
            self.assertIn("buttons", questions.reworded(random.Random(seed), "How many buttons are there?", 1))

    def test_a_heading_is_where_its_letters_are(self):
        screen = drawing.draw(4, 256, 448, kind="settings")
        node = screen.root.all("heading")[0]
        known = parts.parts(screen)
        box = next(line[1:] for line, p in zip(screen.painter.lines, known) if p and p.node is node)
        node.box = (0, 0, 448, 256)
        self.assertEqual(list(questions.shown_box(screen, node)), list(box))

    def test_lines_know_their_element_and_a_field_its_content(self):
        screen = drawing.draw(9, 256, 448, kind="form")
        known = parts.parts(screen)
        for line, part in zip(screen.painter.lines, known):
            if part:
                self.assertIn(line[0], part.node.text.split(" | ") if part.kind == "text" else [part.node.state["value"]])
        said = marks.of_lines(screen)
        fields = [p for p in known if p and p.node.role == "field"]
        self.assertTrue(fields)
        self.assertEqual({marks.ROLES[row[0]] for row, p in zip(said, known) if p in fields}, {"value" if p.kind == "value" else "field" for p in fields})


class RenderedTest(unittest.TestCase):
    def test_the_pages_say_nothing_of_the_evaluation_set(self):
        from chromium import kits as held_out_kits, pages as held_out
        from rendered import kits, pages, parts as made
        said = "\n".join(inspect.getsource(m) for m in (pages, made, kits))
        for text in held_out.PEOPLE + held_out.PRODUCTS + held_out.FILES + held_out.SENTENCES + held_out.TASKS:
            self.assertNotIn(text, said)
        for kit in held_out_kits.KITS.values():
            self.assertNotIn(kit[4], said)

    def test_every_kind_of_page_is_made_from_its_seed_alone(self):
        from rendered import kits, pages, parts as made
        for make in {**pages.PAGES, **pages.TALL}:
            first, second = (pages.document(made.Maker(r, kits.Kit(r, 14)), make) for r in (random.Random(7), random.Random(7)))
            self.assertEqual(first, second)
            self.assertIn("data-role=", first)


class JudgingTest(unittest.TestCase):
    def test_a_statement_is_true_by_role_text_and_every_state(self):
        screen = drawing.draw(4, 256, 448, kind="settings")
        answer = "".join(p if isinstance(p, str) else p.text for p in wordings.full(screen, lambda t, b: Spelled(t)))
        judged = {name: value for name, value, _ in scores.judge_descriptions([screen], [answer])}
        self.assertEqual(set(judged.values()), {1})
        lied = answer.replace(", on", ", offf").replace(", off\n", ", on\n").replace(", offf", ", off")
        self.assertLess(scores.judge_descriptions([screen], [lied])[2][1], 1)
        self.assertEqual(scores.judge_descriptions([screen], [lied])[3][1], 1)

    def test_what_was_measured_is_no_invented_edit(self):
        for line in ("3.12 % of the pixels changed, in one place.", "The size changed from 1×2 to 2×2. 9 % of the pixels changed, in 2 places."):
            self.assertTrue(scores.MEASURED.match(line))
        self.assertFalse(scores.MEASURED.match('The button "A" became "B".'))


class MeasureTest(unittest.TestCase):
    def test_edits(self):
        self.assertEqual(measure.edits("kitten", "sitting"), 3)
        self.assertEqual(measure.edits("", "abc"), 3)

    def test_layout_does_not_count(self):
        self.assertEqual(measure.error_rate([("a b\nc", "a  b c")]), 0)
        self.assertEqual(measure.error_rate([("abcd", "abxd")]), 0.25)


class CharsetTest(unittest.TestCase):
    def test_classes_fit_a_byte_and_leave_room_for_unknown_characters(self):
        self.assertLess(charset.CLASSES, 255)
        self.assertEqual(charset.class_of("ж"), charset.OTHER)
        self.assertEqual(charset.CHARS[charset.class_of("A") - 1], "A")


if __name__ == "__main__":
    unittest.main()
