"""Trains the element classifier on rendered pages and writes models/elements.

    python training/elements/train.py --pages PAGES_FOLDER --out models/elements [--minutes 30] [--init models/elements]
"""
import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from elements.data import entries, examples
from elements.export import read, write
from elements.network import Elements, balance, loss_of, right
from starter.marks import ROLES

HELD_OUT = 0.06           # of the pages
BATCH = 160


class Lines(IterableDataset):
    """Batches of lines of pages in random order, for ever."""

    def __init__(self, pages, seed):
        self.pages, self.seed = pages, seed

    def __iter__(self):
        torch.set_num_threads(1)
        rng, held, count = random.Random(self.seed), [], 0
        while True:
            made = examples(rng.choice(self.pages), rng)
            if made is None:
                continue
            held.append(made)
            count += len(made[0])
            if count >= 8 * BATCH:                     # lines of a page are alike: batches mix those of many
                whole = [np.concatenate(part) for part in zip(*held)]
                order = np.random.default_rng(rng.randrange(2**32)).permutation(count)
                for first in range(0, count - BATCH + 1, BATCH):
                    yield [torch.from_numpy(part[order[first:first + BATCH]]) for part in whole]
                held, count = [], 0


@torch.no_grad()
def measured(network, pages):
    network.eval()
    said, wanted = [], []
    for page in pages:
        made = examples(page, random.Random(0), careful=True)
        if made:
            said.append(network(*(torch.from_numpy(part) for part in made[:2])))
            wanted.append(torch.from_numpy(made[2]))
    network.train()
    said, wanted = torch.cat(said), torch.cat(wanted)
    roles, states = right(said, wanted)
    by_role = {name or "plain": round(100 * roles[wanted[:, 0] == i].float().mean().item()) for i, name in enumerate(ROLES) if (wanted[:, 0] == i).any()}
    return roles.float().mean().item(), states.float().mean().item(), by_role


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pages", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--init", type=Path, help="an exported folder to start from")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    pages = entries(args.pages)
    held = pages[::int(1 / HELD_OUT)]
    kept = [p for i, p in enumerate(pages) if i % int(1 / HELD_OUT)]
    some = [e for e in (examples(p, random.Random(0)) for p in kept[::max(1, len(kept) // 200)]) if e]
    weights = balance(torch.from_numpy(np.concatenate([e[2] for e in some])))
    network = Elements()
    if args.init:
        read(network, args.init, torch.from_numpy(np.concatenate([e[0] for e in some])[:600]))
    optimizer = torch.optim.AdamW(network.parameters(), args.lr, weight_decay=0.02)
    begun, recent = time.time(), []
    for step, (views, features, marks) in enumerate(DataLoader(Lines(kept, 1), batch_size=None, num_workers=1, prefetch_factor=4)):
        gone = (time.time() - begun) / 60 / args.minutes
        if gone >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(1, (step + 1) / 50) * (1 - gone)
        said = network(views, features)
        loss = loss_of(said, marks, weights)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        recent.append((loss.item(), *(r.float().mean().item() for r in right(said, marks))))
        if step % 50 == 49:
            print(f"step {step + 1} {60 * gone * args.minutes:.0f} s loss {np.mean(recent, 0).round(3)}", file=sys.stderr, flush=True)
            recent = []
        if step % 400 == 399:
            print(measured(network, held[:60]), file=sys.stderr, flush=True)
            write(network, args.out)
    print(measured(network, held), file=sys.stderr)
    write(network, args.out)


if __name__ == "__main__":
    main()
