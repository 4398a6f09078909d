"""Trains the starter model; stops and resumes at any step.

    python train.py --run RUN_FOLDER [--minutes 9] [--init ../models/starter] [--cooldown]
"""
import os

os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8192")      # padded shapes are few, but each is costly to compile
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")                   # threads that wait must not spin on a shared machine

import argparse

from starter.trainer import Trainer


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", required=True, help="folder of the run; an earlier checkpoint in it is continued")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this long")
    parser.add_argument("--init", help="an exported folder to start from when the run has no checkpoint")
    parser.add_argument("--cooldown", action="store_true", help="let the learning rate fall to zero over --minutes")
    parser.add_argument("--phase", choices=["dense", "mixed"], default="mixed", help="encoder only, or everything")
    parser.add_argument("--cells", type=int, default=768, help="merged vision tokens in a step")
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--bf16", choices=["auto", "yes", "no"], default="auto", help="bfloat16 matrix products")
    parser.add_argument("--pages", help="folder of pages rendered by rendered/render.py, beside the drawn screens")
    parser.add_argument("--largest", type=int, help="pixels of the largest rendered pages to train on")
    parser.add_argument("--freeze", type=int, default=0, help="blocks of the encoder, from the first, that are not trained")
    parser.add_argument("--pause", help="while this file exists, training sleeps")
    Trainer(parser.parse_args()).run()


if __name__ == "__main__":
    main()
