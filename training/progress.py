"""Reads held-out drawn lines and crops with a run's averaged weights: a quick look while it trains.

    python progress.py --run RUN_FOLDER [--show 3]
"""
import argparse
import random

import torch

from starter import checkpoint, generate, measure, network, reading

KINDS = {"line 12-16 px": (32, 256, (12, 16)), "line 17-24 px": (32, 256, (17, 24)),
         "crop 128x256, 12-20 px": (128, 256, (12, 20)), "crop 256x448, 12-24 px": (256, 448, (12, 24))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", required=True)
    parser.add_argument("--show", type=int, default=2)
    parser.add_argument("--count", type=int, default=16)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = network.Model()
    model.load_state_dict(checkpoint.average(args.run))
    for name, (height, width, sizes) in KINDS.items():
        count = args.count if height < 200 else args.count // 4
        examples = [reading.example(10**12 + i, height, width, sizes) for i in range(count)]
        said = generate.answers(model, examples, height, width, 600 if height > 200 else 250)
        rate = measure.error_rate((e["text"], s) for e, s in zip(examples, said))
        print(f"{name}: character error rate {rate:.3f} over {count}")
        for e, s in list(zip(examples, said))[:args.show]:
            print("   true:", e["text"].replace("\n", " / "), "\n   said:", s.replace("\n", " / ")[:400])


if __name__ == "__main__":
    main()
