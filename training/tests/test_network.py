"""The network, its packing and its checkpoints."""
import copy
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from safetensors.torch import load_file

import export
from starter import checkpoint, folder, loss, network, packing, pixels, prompt, reading, vision
from starter.config import CONFIG, TOKEN
from starter.lines import ReadLine
from starter.prompt import Spelled
from starter.trainer import Trainer

torch.set_num_threads(1)


class PackingTest(unittest.TestCase):
    def test_words_follow_the_golden_vector_of_mlx(self):
        q = torch.tensor([(7 * i + 3) % 256 for i in range(64)]).float()
        words, scales, biases = packing.pack(torch.cat((q, q))[None, :64] - 0.0, 8, 64)
        unpacked = packing.unpack(words, scales, biases)
        self.assertLess((unpacked - q[None]).abs().max().item(), 1.0)
        self.assertEqual(words.dtype, torch.uint32)
        by_hand = sum(v << (8 * i) for i, v in enumerate((3, 10, 17, 24)))
        self.assertEqual(by_hand, 0x18110A03)

    def test_the_error_is_within_a_step_and_the_rounding_of_its_scale(self):
        torch.manual_seed(0)
        w = torch.randn(32, 128)
        for bits in (4, 8):
            words, scales, biases = packing.pack(w, bits)
            step = scales.float().abs().repeat_interleave(64, 1)
            slack = 2**bits * 2.0**-8                # scales and biases are stored in bfloat16; MLX's edge can cost half a step more
            self.assertTrue(((packing.unpack(words, scales, biases, bits) - w).abs() <= step * (1.01 + slack)).all())


class PromptTest(unittest.TestCase):
    def test_the_training_layout_is_what_the_template_renders(self):
        try:
            from jinja2 import Environment
        except ImportError:
            self.skipTest("jinja2 is not installed")
        said = prompt.instructions()
        text = Environment().from_string(folder.TEMPLATE.read_text()).render(add_generation_prompt=True, messages=[
            dict(role="system", content=said["system"]),
            dict(role="user", content=[dict(type="image"), dict(type="text", text=said["describe"]["brief"])])])
        s = prompt.sequence(dict(images=[0], turns=[(said["describe"]["brief"], [])]), 64, 64)
        ids = prompt.tokenizer().encode(text.replace("<|image_pad|>", "<|image_pad|>" * 4)).ids
        self.assertEqual(s.ids[:-1], ids)

    def test_spelled_text_survives(self):
        text = 'Ωne “two” {"x": 3}\n✓'
        ids = [t for t, _, _ in prompt.Spelled(text).tokens()]
        self.assertEqual(prompt.tokenizer().decode(ids), text)

    def test_read_lines_stand_behind_their_image_one_token_a_byte(self):
        line = ReadLine(3, 20, text="A cat", cells=[0, -1, 1, 1, 1], mark="tab, selected")
        quoted = Spelled("cat", [1, 1, 1], [(0, 0, 2), (0, 0, 3), (0, 0, 4)])
        s = prompt.sequence(dict(images=[np.zeros((32, 64, 3), np.uint8)], reads=[[line]], turns=[("What?", ['"', quoted, '"'])]), 32, 64)
        text = prompt.tokenizer().decode(s.ids, skip_special_tokens=False)
        self.assertIn("<|vision_end|>Elements, dark: 1 tab\n3 20 tab, selected: A cat\nWhat?<|im_end|>", text)
        first = s.written[0, 0, 2]
        self.assertEqual(prompt.tokenizer().decode(s.ids[first:first + 3]), "cat")
        self.assertEqual([x for x in s.sources if x >= 0], [first, first + 1, first + 2])
        self.assertEqual([s.ids[x] for x in s.sources if x >= 0], [s.ids[i] for i, x in enumerate(s.sources) if x >= 0])

    def test_what_a_question_quotes_is_spelled_and_knows_where_it_was_read(self):
        line = ReadLine(3, 20, text="Save", cells=[-1] * 4, mark="button")
        pieces = prompt.question_pieces('Is the button "Save" disabled?', [[(0, 0, i) for i in range(4)]])
        self.assertEqual([p if isinstance(p, str) else p.text for p in pieces], ['Is the button "', "Save", '" disabled?'])
        self.assertEqual(prompt.question_pieces("Is it dark?"), ["Is it dark?"])
        s = prompt.sequence(dict(images=[np.zeros((32, 32, 3), np.uint8)], reads=[[line]], turns=[(pieces, ["No."])]), 32, 32)
        said = prompt.tokenizer().decode([t for t, label in zip(s.ids, s.labels) if label >= 0], skip_special_tokens=False)
        self.assertEqual(said, "No.<|im_end|>")
        self.assertEqual([s.ids[x] for x in s.sources if x >= 0], [t for c in "Save" for t in prompt.encode(c)])
        self.assertEqual(s.marked, [(s.written[0, 0, i], s.written[0, 0, 0] - 1) for i in range(4)])

    def test_the_first_token_of_an_answer_weighs_most_and_copied_characters_least(self):
        s = prompt.sequence(dict(images=[np.zeros((32, 32, 3), np.uint8)], reads=[[ReadLine(3, 20, text="ab", cells=[-1, -1])]],
                                 turns=[("What?", ['"', Spelled("ab", None, [(0, 0, 0), (0, 0, 1)]), '"'])]), 32, 32)
        weights = [w for w, label in zip(s.weights, s.labels) if label >= 0]
        self.assertEqual(weights, [prompt.DECIDING, prompt.COPIED, prompt.COPIED, prompt.SAID, prompt.SAID])

    def test_positions_follow_mrope(self):
        s = prompt.Sequence()
        s.image(2, 3)
        self.assertEqual(s.positions[0], (0, 0, 0))
        self.assertEqual(s.positions[1:7], [(1, 1, 1), (1, 1, 2), (1, 1, 3), (1, 2, 1), (1, 2, 2), (1, 2, 3)])
        self.assertEqual(s.positions[7], (4, 4, 4))


def pairs(targets):
    """Of the first example, the rows that look and those that they look at."""
    row, key, there = (part[0] for part in targets)
    return row[there].tolist(), key[there].tolist()


class PointingTest(unittest.TestCase):
    def test_a_head_that_looks_at_the_cell_loses_nothing(self):
        ids = torch.tensor([[TOKEN["<|image_pad|>"]] * 4 + [5, 6]])
        cells = torch.tensor([[0, 1, 2, 3, -1, 2]])
        q, k = torch.zeros(1, 1, 6, 8), torch.zeros(1, 1, 6, 8)
        q[0, 0, 4, 0], k[0, 0, 2, 0] = 100, 100
        ahead, last = (loss.image_targets(ids, cells, a, 9, None) for a in (True, False))
        self.assertEqual(pairs(ahead), ([4], [2]))
        self.assertLess(loss.pointing_loss(q, k, 0, *ahead).item(), 1e-3)
        self.assertGreater(loss.pointing_loss(q, k, 0, *last).item(), 1)

    def test_a_copied_character_points_at_the_read_line_it_comes_from(self):
        sources = torch.tensor([[-1, -1, -1, -1, 1, 2]])
        labels = torch.tensor([[-100, -100, -100, -100, 7, 8]])
        self.assertEqual(pairs(loss.copy_targets(sources, labels, False, 9, None)), ([4, 5], [1, 2]))
        self.assertEqual(pairs(loss.copy_targets(sources, labels, True, 9, None)), ([3, 4], [1, 2]))
        self.assertEqual(len(pairs(loss.copy_targets(sources, labels, True, 1, torch.Generator()))[0]), 1)

    def test_a_question_s_character_points_at_itself_but_announces_none(self):
        sources, asked = torch.tensor([[-1, -1, -1, -1, 1, 2]]), torch.full((1, 6), -100)
        self.assertEqual(pairs(loss.copy_targets(sources, asked, False, 9, None)), ([4, 5], [1, 2]))
        self.assertEqual(pairs(loss.copy_targets(sources, asked, True, 9, None)), ([], []))

    def test_the_characters_of_a_line_point_at_the_end_of_what_it_is(self):
        self.assertEqual(pairs(loss.mark_targets(torch.tensor([[-1, -1, 1, 1, -1]]), 9, None)), ([2, 3], [1, 1]))


class PixelsTest(unittest.TestCase):
    def test_sides_become_multiples_of_32_within_the_limits(self):
        self.assertEqual(pixels.target_size(844, 390), (832, 384))
        self.assertEqual(pixels.target_size(20, 20), (64, 64))
        h, w = pixels.target_size(3000, 4000)
        self.assertLessEqual(h * w, 1280 * 1280)
        self.assertEqual((h % 32, w % 32), (0, 0))


def arguments(run):
    return SimpleNamespace(run=run, threads=1, device="cpu", lr=5e-3, phase="mixed", cells=32, minutes=9, cooldown=False,
                           init=None, pause=None, workers=0, bf16="no", pages=None, largest=None, freeze=0)


class TrainerTest(unittest.TestCase):
    def test_frozen_blocks_stay_as_they_are_and_the_rest_learns(self):
        with tempfile.TemporaryDirectory() as run:
            trainer = Trainer(SimpleNamespace(**vars(arguments(run + "/run")) | dict(freeze=6)))
            before = {n: p.clone() for n, p in trainer.model.named_parameters()}
            self.steps(trainer, 1)
            changed = {n for n, p in trainer.model.named_parameters() if not torch.equal(p, before[n])}
            self.assertFalse([n for n in changed if ".blocks." in n or "patch_embed" in n])
            self.assertTrue(any("merger" in n for n in changed) and any(".layers.5." in n for n in changed))

    def steps(self, trainer, count):
        for step, batch in trainer.batches():
            if count == 0:
                return
            trainer.step = step
            trainer.train(batch, 0.5)
            trainer.step += 1
            count -= 1

    def test_a_resumed_run_is_the_run_that_never_stopped(self):
        with tempfile.TemporaryDirectory() as run:
            whole = Trainer(arguments(run + "/none"))
            self.steps(whole, 3)
            first = Trainer(arguments(run + "/half"))
            self.steps(first, 2)
            first.save()
            second = Trainer(arguments(run + "/half"))
            self.assertEqual(second.step, 2)
            self.steps(second, 1)
            for (name, a), (_, b) in zip(whole.model.named_parameters(), second.model.named_parameters()):
                self.assertTrue(torch.equal(a, b), name)
            self.assertLess(max(p.stat().st_size for p in Path(run + "/half").iterdir()), 16_000_000)
            exported = Path(run) / "out"
            export.write(checkpoint.average(run + "/half"), exported, 8)
            again = network.Model()
            again.load_state_dict(folder.read_weights(exported))
            self.assertIn("model.visual.merger.linear_fc1.scales", load_file(exported / "model.safetensors"))


class ReferenceTest(unittest.TestCase):
    def test_logits_equal_those_of_transformers(self):
        try:
            from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
        except ImportError:
            self.skipTest("transformers is not installed")
        mine, config = network.Model(), Qwen3VLConfig(**copy.deepcopy(CONFIG))
        theirs = Qwen3VLForConditionalGeneration(config).float().eval()
        theirs.load_state_dict(mine.state_dict(), strict=False)
        theirs.tie_weights()
        x = prompt.collate([reading.example(5, 64, 256, (14, 20))], 64, 256, 1)
        ids, positions = torch.tensor(x["ids"]), torch.tensor(x["positions"])
        picture = torch.from_numpy(np.array(reading.example(5, 64, 256, (14, 20))["images"][0]))[None]
        rows = vision.patch_rows(picture)[0].view(-1, 3, 1, 256).expand(-1, 3, 2, 256).reshape(-1, 1536)
        pads = ids == TOKEN["<|image_pad|>"]
        with torch.no_grad():
            expected = theirs(input_ids=ids, pixel_values=rows, image_grid_thw=torch.tensor([[1, 4, 16]]), mm_token_type_ids=pads.int()).logits
            tokens, deep, _ = mine.model.visual(picture)
            embedded = mine.model.language_model.embed_tokens(ids)
            visual = pads.flatten().nonzero()[:, 0]
            embedded = embedded.flatten(0, 1).index_copy(0, visual, tokens.flatten(0, 1)).view_as(embedded)
            hidden, _ = mine.model.language_model(embedded, positions, visual, [d.flatten(0, 1) for d in deep])
        self.assertLess((mine.logits(hidden) - expected).abs().max().item(), 1e-4)


if __name__ == "__main__":
    unittest.main()
