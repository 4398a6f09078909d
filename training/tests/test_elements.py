"""The element classifier: its views are the product's, and what it exports computes what it computed."""
import hashlib
import io
import json
import random
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch
from elements import gallery
from elements.export import read, write
from elements.data import APART, READ_AS, SWALLOWED, mark_before, seen
from elements.network import Elements, balance, loss_of, right
from elements.train import batch, frozen
from elements.views import FEATURES, features, quick_views, views
from PIL import Image
from safetensors.torch import load_file
from rendered.cache import Shown
from screens.tree import Node, Screen
from starter import marks
from starter.parts import Part


def picture(height=120, width=200):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((x * 7 + y * 13 + c * 50) % 256).astype(np.uint8)


class ViewsTest(unittest.TestCase):
    """The digest and the numbers stand in test/reading/elements.test.ts too."""
    box = (30, 40, 110, 57)

    def test_views(self):
        self.assertEqual(hashlib.sha256(views(picture(), self.box).tobytes()).hexdigest(),
                         "ab20be290516f00bf9271ed63b6ca289a404c999faa2b527599a6941cec4070c")

    def test_numbers(self):
        said = features("Total: 12 •A.", self.box, (200, 120), 17.0)
        np.testing.assert_allclose(said, [0.15, 0.404167, 0.55, 0.235294, 0, 0.235294, 0.153846, 0.153846, 0.153846, 0.2, 0, 1, 1, 0.433333, 0], atol=1e-6)
        for text, failure in (("12:04 ERROR lost", 1), ("Sign-in failed", 1), ("Errorless", 0), ("terror", 0)):
            self.assertEqual(features(text, self.box, (200, 120), 17.0)[-1], failure)

    def test_quick_views_are_nearly_the_same(self):
        smooth = np.clip(np.add.outer(np.arange(120), np.arange(200))[..., None] * [0.5, 0.6, 0.7], 0, 255).astype(np.uint8)
        apart = np.abs(views(smooth, self.box).astype(int) - quick_views(Image.fromarray(smooth), self.box).astype(int))
        self.assertLess(apart.mean(), 2)


class GalleryTest(unittest.TestCase):
    """What a GPU cuts and what a worker says of a page, on the processor."""

    def page(self, folder, count=2):
        """An entry of a page with so many pictures, each of two lines."""
        line = dict(at=[12.0, 20.0], size=12, value=False)
        truth = dict(kind="form", role="page", title="", dark=False, nodes=[dict(role="button", text="OK", box=[8, 20, 40, 40], state={})],
                     lines=[dict(line, text="OK", box=[10, 22, 30, 36], node=0), dict(line, text="no", box=[10, 60, 34, 74], node=-1)])
        shots = []
        for i in range(count):
            out = io.BytesIO()
            Image.fromarray(np.roll(picture(), 9 * i, 1)).save(out, "WEBP", lossless=True)
            shots.append(out.getvalue())
        told = json.dumps(dict(truths=[truth] * count, edit=None)).encode()
        path = Path(folder) / f"{count}.bin"
        path.write_bytes(b"".join(shots) + told)
        return path, 0, [len(s) for s in shots] + [len(told)]

    def test_views_are_those_of_the_product(self):
        with tempfile.TemporaryDirectory() as folder:
            held = gallery.Gallery([self.page(folder), self.page(folder, 1)], "cpu", 1)
        self.assertEqual(held.first.tolist(), [0, 2, 3])
        boxes = [(30, 40, 110, 57), (-3.5, 100, 60.25, 130), (150, 2, 199, 9.5)]
        made = held.views(torch.ones(3, dtype=torch.long), torch.tensor(boxes, dtype=torch.float64))
        for mine, box in zip(made.numpy(), boxes):
            np.testing.assert_array_equal(mine, views(np.roll(picture(), 9, 1), box))

    def test_a_batch_names_the_picture_of_each_line(self):
        with tempfile.TemporaryDirectory() as folder:
            pages = [self.page(folder), self.page(folder)]
            held = gallery.Gallery(pages, "cpu", 1)
            pictures, boxes, numbers, wanted, of, kinds = next(iter(gallery.Boxes(pages, [1, 1], held.sizes, held.first, 8)))
        self.assertGreaterEqual(len(pictures), 8)
        self.assertEqual(tuple(boxes.shape), (len(pictures), 4))
        self.assertEqual(tuple(numbers.shape), (len(pictures), FEATURES))
        self.assertEqual({marks.ROLES[role] for role in wanted[:, 0].tolist()}, {"", "button"})
        self.assertEqual(len(kinds), int(of[-1]) + 1)
        self.assertTrue(set(pictures.tolist()) <= {0, 1, 2, 3})

    def test_colours_change_by_page(self):
        torch.manual_seed(3)
        of = torch.arange(40)
        seen = gallery.recoloured(torch.full((40, 4, 48, 96, 3), 100, dtype=torch.uint8), of)
        by_page = [seen[of == page].unique().tolist() for page in range(40)]
        self.assertIn([100], by_page)
        self.assertGreater(len({tuple(b) for b in by_page}), 1)


class NetworkTest(unittest.TestCase):
    def test_exported_weights_compute_the_same(self):
        torch.manual_seed(0)
        network = Elements()
        seen, told = torch.randint(0, 256, (6, 4, 48, 96, 3), dtype=torch.uint8), torch.randn(6, FEATURES)
        pages = torch.tensor([0, 0, 0, 0, 1, 1])
        torch.nn.init.normal_(network.corrections.weight)
        network(seen, told, pages)                               # moves the norms' statistics
        network.eval()
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            write(network, Path(folder))
            kept = load_file(Path(folder) / "model.safetensors")
            x = seen.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1
            for i, layer in enumerate(network.layers):
                stride = layer["convolution"].stride
                x = torch.relu(torch.nn.functional.conv2d(x, kept[f"layers.{i}.weight"].float(), kept[f"layers.{i}.bias"], stride, 1))
            rows = torch.cat((x.permute(0, 2, 3, 1).reshape(6, -1), told), 1)
            hidden = torch.relu(torch.nn.functional.linear(rows, kept["hidden.weight"].float(), kept["hidden.bias"]))
            self.check(network, kept, hidden, seen, told, pages)
            again = Elements()
            read(again, Path(folder), seen)
            for mine, other in zip(again.eval()(seen, told, pages), network(seen, told, pages)):
                torch.testing.assert_close(mine, other, atol=5e-3, rtol=5e-3)

    def check(self, network, kept, hidden, seen, told, pages):
        """A picture at a time, as the product computes it."""
        def linear(name, row):
            return torch.nn.functional.linear(row, kept[f"{name}.weight"].float(), kept[f"{name}.bias"])
        said, kinds = network(seen, told, pages)
        for page in (0, 1):
            own = hidden[pages == page]
            none = torch.zeros(1, own.shape[1])
            beside = torch.cat((own, torch.cat((none, own[:-1])), torch.cat((own[1:], none)), own.mean(0).expand_as(own)), 1)
            together = torch.relu(linear("context", beside))
            wanted = linear("marks", own) + linear("corrections", together)
            torch.testing.assert_close(wanted, said[pages == page], atol=5e-3, rtol=5e-3)
            kind = linear("kinds", torch.cat((own.mean(0), together.mean(0), together.amax(0))))
            torch.testing.assert_close(kind, kinds[page], atol=5e-3, rtol=5e-3)

    def test_kept_pages_say_the_same(self):
        torch.manual_seed(0)
        network = Elements().eval()
        made = batch([(np.random.randint(0, 256, (n, 4, 48, 96, 3), np.uint8), np.random.randn(n, FEATURES).astype(np.float32),
                       np.zeros((n, marks.FIELDS), np.int64), n) for n in (2, 3)])
        self.assertEqual(made[3].tolist(), [0, 0, 1, 1, 1])
        seen, told, _, pages, kinds = batch(frozen(network, made))
        self.assertEqual(kinds.tolist(), [2, 3])
        with torch.no_grad():
            for mine, other in zip(network.judge(seen.float(), told, pages), network(made[0], made[1], made[3])):
                torch.testing.assert_close(mine, other, atol=1e-2, rtol=1e-2)

    def test_rare_roles_weigh_more(self):
        wanted = torch.zeros(100, marks.FIELDS, dtype=torch.long)
        wanted[90:, 0] = 3
        weights = balance(wanted)
        self.assertEqual(weights[0].item(), 0.5)
        self.assertTrue(weights[0] < weights[3] < weights[5] <= 3)

    def test_loss_falls_with_right_answers(self):
        wanted = torch.zeros(2, marks.FIELDS, dtype=torch.long)
        wanted[:, 0], wanted[:, -1] = torch.tensor([3, 5]), marks.IGNORED
        logits = torch.full((2, len(marks.ROLES) + len(marks.STATES) + len(marks.COLOURS)), -5.0)
        worse = loss_of(logits, wanted)
        logits[[0, 1], [3, 5]] = 5.0
        self.assertLess(loss_of(logits, wanted), worse)
        self.assertTrue(all(part.all() for part in right(logits, wanted)))


class SeenTest(unittest.TestCase):
    def screen(self):
        """A checkbox of two lines in the wrong order, and a text."""
        box = Node("checkbox", "Keep", (10, 10, 90, 30), {"checked": "yes"})
        text = Node("text", "Hello", (10, 40, 60, 56), {})
        root = Node("page", "", (0, 0, 200, 100))
        root.children = [box, text]
        lines = [("Hello", 10, 40, 60, 56), ("Keep", 32, 11, 88, 27)]
        painter = Shown(200, 100, lines, [], None, [Part(text, "text"), Part(box, "text")])
        return Screen("form", root, np.zeros((100, 200, 3), np.uint8), painter, True)

    def test_lines_come_in_reading_order_with_their_own_marks(self):
        out = seen(self.screen(), random.Random(1), careful=True)
        self.assertEqual([(text, marks.words(mark)) for text, _, mark in out], [("Keep", "checkbox, checked"), ("Hello", "text")])

    def test_a_mark_close_before_its_text_is_swallowed_or_a_line_of_its_own_now_and_then(self):
        self.assertEqual(mark_before(self.screen().painter.parts[1], ("Keep", 32, 11, 88, 27)), (READ_AS["checkbox"], 12))
        self.assertIsNone(mark_before(self.screen().painter.parts[1], ("Keep", 150, 11, 200, 27)))
        self.assertIsNone(mark_before(self.screen().painter.parts[0], ("Hello", 32, 40, 80, 56)))
        rng, counted = random.Random(2), [0, 0]
        for _ in range(600):
            out = seen(self.screen(), rng, careful=False)
            counted[0] += any(box[0] < 20 and marks.words(mark).startswith("checkbox") for _, box, mark in out)
            counted[1] += sum(marks.words(mark) == "plain" for *_, mark in out)
        self.assertAlmostEqual(counted[0] / 600, SWALLOWED, delta=0.08)
        self.assertAlmostEqual(counted[1] / 600, (1 - SWALLOWED) * APART, delta=0.05)


class WordsTest(unittest.TestCase):
    def mark(self, role, *states, colour=marks.IGNORED):
        return [marks.ROLES.index(role), *(int(s in states) for s in marks.STATES), colour]

    def test_a_role_says_only_states_that_it_can_have(self):
        self.assertEqual(marks.words(self.mark("checkbox", "checked", "selected")), "checkbox, checked")
        self.assertEqual(marks.words(self.mark("", "wrong")), "plain, wrong")
        self.assertEqual(marks.words(self.mark("button", "disabled", colour=1)), f"button, disabled, {marks.COLOURS[1]}")

    def test_a_simulated_classifier_errs_as_often_as_it_was_drawn(self):
        classify = marks.Classifier(random.Random(1))
        classify.error = 0
        self.assertEqual(classify(self.mark("switch", "on")), "switch, on")
        classify.error = 1
        self.assertNotEqual(classify(self.mark("switch", "on")), "switch, on")


if __name__ == "__main__":
    unittest.main()
