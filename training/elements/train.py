"""Trains the element classifier on rendered pages and writes models/elements.

    python training/elements/train.py --pages PAGES_FOLDER --out models/elements [--minutes 30] [--init models/elements [--replay 8]]
"""
import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from elements import gallery
from elements.data import entries, examples, worth
from elements.export import read, write
from elements.network import CONTEXT, HIDDEN, Elements, balance, loss_of, right
from starter.marks import ROLES

HELD_OUT = 0.06           # of the pages; so many of them are measured
HELD_PAGES = 120
MOST_LINES = 80           # of a page
TELL_EVERY = 30           # seconds
PAGES = 20                # of a replayed batch


class Lines(IterableDataset):
    """Batches of whole pages at random, for ever: views, features, marks, the page of each line, the kind of each page."""

    def __init__(self, pages, seed, lines):
        self.pages, self.seed, self.lines = pages, seed, lines

    def __iter__(self):
        torch.set_num_threads(1)
        rng, weights = random.Random(self.seed), np.cumsum([worth(p) for p in self.pages])
        while True:
            held = []
            while sum(len(made[0]) for made in held) < self.lines:
                made = examples(rng.choices(self.pages, cum_weights=weights)[0], rng)
                held += [made] if made and len(made[0]) <= MOST_LINES else []
            yield batch(held)


def batch(pages):
    """Tensors of several pages as `examples` makes them."""
    views, features, marks, kinds = zip(*pages)
    of = np.repeat(np.arange(len(pages)), [len(v) for v in views])
    return [torch.from_numpy(np.concatenate(part)) for part in (views, features, marks)] + [torch.from_numpy(of), torch.tensor(kinds)]


@torch.no_grad()
def measured(network, pages, device):
    """Shares of roles, states and kinds that are right, and of each role; pages: as `examples` makes them."""
    network.eval()
    said, wanted, kinds = [], [], []
    for made in pages:
        views, features, marks, page, kind = (part.to(device) for part in batch([made]))
        logits, kind_logits = network(views, features, page)
        said.append(logits)
        wanted.append(marks)
        kinds.append((kind_logits.argmax(1) == kind).float())
    said, wanted = torch.cat(said), torch.cat(wanted)
    roles, states = right(said, wanted)
    by_role = {name or "plain": round(100 * roles[wanted[:, 0] == i].float().mean().item()) for i, name in enumerate(ROLES) if (wanted[:, 0] == i).any()}
    return roles.float().mean().item(), states.float().mean().item(), torch.cat(kinds).mean().item(), by_role


def train(network, live):
    """live: the norms follow the batches; they keep their statistics where a batch has few pages, which are alike."""
    network.train()
    for layer in network.layers:
        layer["norm"].train(live)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pages", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--init", type=Path, help="an exported folder to start from")
    parser.add_argument("--replay", type=int, default=0, help="leave the convolutions as they are, and go over kept pages so often a new batch: cheap")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--lines", type=int, default=160, help="lines of a batch, at least")
    parser.add_argument("--widths", type=int, nargs=2, default=(HIDDEN, CONTEXT), help="of the layer over a line's views, and of that over the lines beside it")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    pages = entries(args.pages)
    held = [e for e in (examples(p, random.Random(0), careful=True) for p in pages[::int(1 / HELD_OUT)][:HELD_PAGES]) if e]
    kept = [p for i, p in enumerate(pages) if i % int(1 / HELD_OUT)]
    some = [e for e in (examples(p, random.Random(0)) for p in kept[::max(1, len(kept) // 200)]) if e]
    weights = balance(torch.from_numpy(np.concatenate([e[2] for e in some]))).to(args.device)
    network, live = Elements(*args.widths), not args.init
    if args.init:
        read(network, args.init, torch.from_numpy(np.concatenate([e[0] for e in some])[:600]))
    network.to(args.device)
    train(network, live)
    if args.device == "cpu":
        made = DataLoader(Lines(kept, 1, args.lines), batch_size=None, num_workers=args.workers, prefetch_factor=4)
    else:
        made = gallery.batches(kept, [worth(p) for p in kept], args.device, args.workers, args.lines)
    run(network, made, weights, held, live, args)


def run(network, batches, weights, held, live, args):
    optimizer = torch.optim.AdamW(network.parameters(), args.lr, weight_decay=0.02)
    recent, kept_pages, chance = [], [], random.Random(2)
    begun = told = time.time()
    for step, made in enumerate(batches):
        gone = (time.time() - begun) / 60 / args.minutes
        if gone >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(1, (step + 1) / 50) * (1 - gone)
        if args.replay:
            kept_pages += frozen(network, made)
            for _ in range(args.replay):
                some = chance.sample(kept_pages, min(PAGES, len(kept_pages)))
                seen, features, marks, page, kind = batch(some)
                recent.append(learn(network.judge(seen.float(), features, page), marks, kind, weights, optimizer))
        else:
            views, features, marks, page, kind = made
            recent.append(learn(network(views, features, page), marks, kind, weights, optimizer))
        if step % 25 == 24 and time.time() - told > TELL_EVERY:
            print(f"step {step + 1} {60 * gone * args.minutes:.0f} s loss {np.mean(recent, 0).round(3)}", *measured(network, held[:60], args.device), file=sys.stderr, flush=True)
            train(network, live)
            write(network, args.out)
            recent, told = [], time.time()
    write(network, args.out)
    print(step, *measured(network, held, args.device), file=sys.stderr)


def learn(said, marks, kind, weights, optimizer):
    """One step; returns the loss, and the shares of roles, states and kinds that were right."""
    logits, kinds = said
    loss = loss_of(logits, marks, weights) + 0.5 * F.cross_entropy(kinds, kind)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return (loss.item(), *(r.float().mean().item() for r in right(logits, marks)), (kinds.argmax(1) == kind).float().mean().item())


@torch.no_grad()
def frozen(network, made):
    """The pages of a batch, each as what the convolutions see of it, with all else as it was; to be kept, so half as wide."""
    views, features, marks, of, kinds = made
    seen = network.seen(views).half().numpy()
    return [(seen[of == i], features[of == i].numpy(), marks[of == i].numpy(), kind) for i, kind in enumerate(kinds.tolist())]


if __name__ == "__main__":
    main()
