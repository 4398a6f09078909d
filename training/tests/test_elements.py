"""The element classifier: its views are the product's, and what it exports computes what it computed."""
import hashlib
import random
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch
from elements.export import read, write
from elements.network import Elements, balance, loss_of, right
from elements.views import FEATURES, features, quick_views, views
from PIL import Image
from safetensors.torch import load_file
from starter import marks


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


class NetworkTest(unittest.TestCase):
    def test_exported_weights_compute_the_same(self):
        torch.manual_seed(0)
        network = Elements()
        seen, told = torch.randint(0, 256, (6, 4, 48, 96, 3), dtype=torch.uint8), torch.randn(6, FEATURES)
        network(seen, told)                                      # moves the norms' statistics
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
            said = torch.nn.functional.linear(hidden, kept["marks.weight"].float(), kept["marks.bias"])
            torch.testing.assert_close(said, network(seen, told), atol=5e-3, rtol=5e-3)
            again = Elements()
            read(again, Path(folder), seen)
            torch.testing.assert_close(again.eval()(seen, told), said, atol=5e-3, rtol=5e-3)

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
