"""The training loop: batches from workers, two kinds of step, averaging, logging, checkpoints."""
import signal
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from rendered.cache import Pages

from . import checkpoint, dense, folder, mixture, muon, network
from .config import TOKEN, VISION
from .prompt import DECIDING
from .loss import copy_targets, dense_accuracy, dense_loss, image_targets, mark_targets, pointing_loss, share, token_loss

WARMUP = 30           # steps after a start without the optimiser's moments
EMA = 0.99
SAVE_EVERY = 120      # seconds
LOG_EVERY = 10        # steps
HEADS = Path(__file__).resolve().parent.parent / "heads.safetensors"        # the dense heads of the shipped model
POINTERS = [(1, 0, False), (2, 0, True), (3, 2, True)]      # layer, head, next character's cell (or the last one's)
COPIERS = [(3, 0, False), (4, 0, True), (4, 2, True)]       # layer, head, next character among the read lines (or the last one)
MARKERS = [(2, 2)]            # layer, head: a read line's characters look at what their line is
POINTING_WEIGHT = 0.2
POINTED = 256         # characters of an example that pointing looks at
CHARACTERS_WEIGHT = 0.3       # of the dense losses on characters, which were learnt before


class Steps(IterableDataset):
    """Step numbers from `first` on, dealt round to the workers, each as its batch."""

    def __init__(self, first, make):
        self.first, self.make = first, make

    def __iter__(self):
        info = get_worker_info()
        step, stride = (self.first + info.id, info.num_workers) if info else (self.first, 1)
        torch.set_num_threads(1)
        while True:
            yield step, self.make(step)
            step += stride


class Batches:
    def __init__(self, args):
        self.phase, self.cells = args.phase, args.cells
        self.pages = Pages(args.pages, args.largest) if args.pages else None

    def __call__(self, step):
        if self.phase == "dense":
            return "dense", dense.batch(step, self.cells)
        return mixture.batch(step, self.cells, self.pages)


class Trainer:
    def __init__(self, args):
        self.args, self.device = args, torch.device(args.device)
        self.half = args.bf16 == "yes" or args.bf16 == "auto" and bf16_is_faster(self.device)
        torch.set_num_threads(args.threads)
        torch.manual_seed(0)
        self.model, self.heads = network.Model(), network.DenseHeads()
        self.step, self.seconds, self.chars = 0, 0.0, 0
        self.warmup = WARMUP
        found = checkpoint.load(args.run)
        self.begin(found)
        freeze(self.model.model.visual, args.freeze)
        self.model.to(self.device)
        self.heads.to(self.device)
        self.ema = {n: p.detach().clone() for n, p in self.model.named_parameters()}
        self.optimizer = muon.build([self.model, self.heads], args.lr, 0.4 * args.lr)
        if found:
            self.resume(*found)
        self.recent, self.first = [], self.step

    def begin(self, found):
        if found:
            tensors = found[0]
            self.model.load_state_dict({n[6:]: t for n, t in tensors.items() if n.startswith("net.m.")})
            self.heads.load_state_dict({n[6:]: t for n, t in tensors.items() if n.startswith("net.h.")}, strict=False)
        elif self.args.init:
            self.model.load_state_dict(folder.read_weights(self.args.init))
            if HEADS.exists():
                self.heads.load_state_dict({n: t.float() for n, t in load_file(HEADS).items()}, strict=False)
        else:
            network.whiten_patches(self.model)

    def resume(self, tensors, state):
        self.ema = {n[4:]: t.to(self.device) for n, t in tensors.items() if n.startswith("ema.")}
        lost = checkpoint.restore_moments(self.optimizer, tensors, state["adam_steps"])
        self.warmup = WARMUP if lost > len(self.optimizer.names) // 2 else 0
        self.step, self.seconds, self.chars = state["step"], state["seconds"], state["chars"]

    def save(self):
        tensors = {f"net.m.{n}": p for n, p in self.model.named_parameters()}
        tensors |= {f"net.h.{n}": p for n, p in self.heads.named_parameters()}
        tensors |= {f"ema.{n}": p for n, p in self.ema.items()}
        moments, steps = checkpoint.moments(self.optimizer)
        state = dict(step=self.step, seconds=self.seconds, chars=self.chars, adam_steps=steps, arguments=vars(self.args))
        checkpoint.save(self.args.run, tensors | moments, state)

    def batches(self):
        data = Steps(self.step, Batches(self.args))
        workers = self.args.workers
        return DataLoader(data, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None,
                          pin_memory=self.device.type == "cuda")

    def rate(self, elapsed):
        """Warm-up, then constant (stop anywhere: the average is exported), or falling to zero when cooling down."""
        warm = min(1, (self.step - self.first + 1) / max(1, self.warmup))
        return warm * max(0.0, 1 - elapsed / (60 * self.args.minutes)) if self.args.cooldown else warm

    def run(self):
        begun = saved = time.time()
        paused = 0.0
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
        for self.step, batch in self.batches():
            paused += self.wait()
            elapsed = time.time() - begun - paused
            if stop or elapsed > 60 * self.args.minutes:
                break
            self.train(batch, self.rate(elapsed))
            self.seconds += time.time() - begun - paused - elapsed
            self.step += 1
            if time.time() - saved > SAVE_EVERY:
                self.save()
                saved = time.time()
        self.save()

    def wait(self):
        begun = time.time()
        while self.args.pause and Path(self.args.pause).exists():
            time.sleep(1)
        return time.time() - begun

    def train(self, batch, rate):
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        kind, arrays = batch
        self.chars += int((torch.as_tensor(arrays["slots"] if kind != "dense" else arrays[2]) > 0).sum())
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            if kind == "dense":
                loss, losses = self.dense_step(*self.send(arrays))
            else:
                loss, losses = self.answer_step(dict(zip(arrays, self.send(arrays.values()))))
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for g in self.optimizer.param_groups for p in g["params"]], 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average()
        self.recent.append(losses)
        if self.step % LOG_EVERY == 0:
            self.log(rate)

    def send(self, arrays):
        return [torch.as_tensor(a).to(self.device, non_blocking=True) for a in arrays]

    def dense_step(self, pixels, spots, slots):
        tokens, _, patches = self.model.model.visual(pixels)
        return self.dense_losses(tokens, patches, spots.long(), slots.long())

    def dense_losses(self, tokens, patches, spots, slots):
        spot_logits, slot_logits = self.heads(tokens, patches)
        spot, slot = dense_loss(spot_logits, spots), dense_loss(slot_logits, slots)
        with torch.no_grad():
            measures = dict(spot=spot.detach(), slot=slot.detach(), spot_right=dense_accuracy(spot_logits, spots),
                            slot_right=dense_accuracy(slot_logits, slots))
        return spot + slot, measures

    def answer_step(self, x):
        """Images through the encoder, sequences through the decoder; every loss at once."""
        tokens, deep, patches = self.model.model.visual(x["pixels"])
        dense, measures = 0, {}
        if self.args.freeze < VISION["depth"]:
            dense, measures = self.dense_losses(tokens, patches, x["spots"].long(), x["slots"].long())
            dense = CHARACTERS_WEIGHT * dense
        decoder = self.model.model.language_model
        visual = (x["ids"].flatten() == TOKEN["<|image_pad|>"]).nonzero()[:, 0]
        rows = decoder.embed_tokens(x["ids"])
        rows = rows.flatten(0, 1).index_copy(0, visual, tokens.flatten(0, 1).to(rows.dtype)).view_as(rows)
        watched = {layer for layer, *_ in POINTERS + COPIERS + MARKERS}
        hidden, seen = decoder(rows, x["positions"], visual, [d.flatten(0, 1) for d in deep], watch=watched)
        labels = x["labels"][:, 1:]
        wanted = labels >= 0
        logits = self.model.logits(hidden[:, :-1][wanted])
        copied = x["sources"][:, 1:][wanted] >= 0
        token = token_loss(logits, labels[wanted], x["weights"][:, 1:][wanted])
        deciding = x["weights"][:, 1:][wanted] == DECIDING
        right = logits.argmax(-1) == labels[wanted]
        measures |= dict(token=token.detach(), copied_right=share(right, copied), said_right=share(right, ~copied), decided_right=share(right, deciding))
        return token + dense + POINTING_WEIGHT * self.pointing(x, seen, measures), measures

    def pointing(self, x, seen, measures):
        """Sum over the heads that are told where to look: at image cells and at read lines."""
        generator = torch.Generator(self.device).manual_seed(self.step)
        point = sum(pointing_loss(*seen[layer], head, *image_targets(x["ids"], x["cells"], ahead, POINTED, generator))
                    for layer, head, ahead in POINTERS)
        copy = sum(pointing_loss(*seen[layer], head, *copy_targets(x["sources"], x["labels"], ahead, POINTED, generator))
                   for layer, head, ahead in COPIERS)
        mark = sum(pointing_loss(*seen[layer], head, *mark_targets(x["marks"], POINTED, generator)) for layer, head in MARKERS)
        measures |= dict(point=point.detach() / len(POINTERS), copy=copy.detach() / len(COPIERS), mark=mark.detach() / len(MARKERS))
        return point + copy + mark

    @torch.no_grad()
    def average(self):
        keep = min(EMA, (1 + self.step) / (10 + self.step))
        names, params = zip(*self.model.named_parameters())
        torch._foreach_lerp_([self.ema[n] for n in names], list(params), 1 - keep)

    def log(self, rate):
        keys = sorted({k for r in self.recent for k in r})
        means = {k: torch.stack([r[k] for r in self.recent if k in r]).mean().item() for k in keys}
        text = " ".join(f"{k}={v:.3f}" for k, v in means.items())
        print(f"step {self.step} {self.seconds / 60:.1f} min {self.chars / 1e6:.2f}M chars rate {rate:.2f} {text}", file=sys.stderr, flush=True)
        self.recent = []


def freeze(encoder, blocks):
    """Leaves the patch embedding and the first blocks as they are: their backward pass is a good part of a step."""
    for module in [encoder.patch_embed, encoder.pos_embed, *encoder.blocks[:blocks]] if blocks else []:
        module.requires_grad_(False)


def bf16_is_faster(device):
    """True on a GPU and on processors with matrix tiles; without them bfloat16 runs at half the speed of float32."""
    return device.type == "cuda" or bool(torch.cpu._is_amx_tile_supported())
