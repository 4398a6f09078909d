"""Describes a few pages of the evaluation set with a run's averaged weights and a perfect reader: a look while it trains.

    python progress.py --run RUN_FOLDER [--set chromium/set] [--count 16] [--show 3]
"""
import argparse
from pathlib import Path

import torch

from chromium import truth
from starter import checkpoint, generate, lines, network, scores
from starter.pixels import prepare_pixels
from starter.prompt import instructions

HERE = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", required=True)
    parser.add_argument("--set", type=Path, default=HERE / "chromium/set")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--show", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = network.Model()
    model.load_state_dict(checkpoint.average(args.run))
    names = truth.names(args.set, "crop")
    shown = [truth.load(args.set, n) for n in names[::max(1, len(names) // args.count)][:args.count]]
    question = instructions()["describe"]["full"]
    said = generate.answer_all(model, [([prepare_pixels(s.pixels)], question, [lines.perfect(s)]) for s in shown])
    for name, value, count in scores.judge_descriptions(shown, said):
        print(f"{name}: {value:.3f} of {count}")
    for screen, answer in list(zip(shown, said))[:args.show]:
        print(f"--- {screen.kind}\n{answer}")


if __name__ == "__main__":
    main()
