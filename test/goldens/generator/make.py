#!/usr/bin/env python3
"""Golden checkpoints: tiny random weights in the hub's layout, with what the reference implementation makes of them.

python make.py                                 the committed folders, ../checkpoints
python make.py --family NAME...                some of them; NAME-mlx and NAME-4bit are siblings in MLX's form
python make.py --out DIR --seed N --all        another set: other sizes and weights, all ten cases
python make.py --check DIR                     reload every folder in the hub's form and compare

A family is one file, families/NAME.py, with a function spec(seed) -> Spec. The folder's form: ../README.md.
"""
import argparse
import importlib
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import cases
import mlx
import mtp
import sizes
import torch
import weights
from check import check
from checkpoint import hub_tensors, write_files, write_weights
from quantization import make_quantization

HERE = Path(__file__).parent
SEED = 13
COMMITTED = HERE.parent / "checkpoints"
# Siblings among the committed folders: what MLX's form asks of weights.
SIBLINGS = ("gemma3n-4bit", "qwen2_5_vl-4bit", "qwen3_5_moe-mlx")
WITH_HEAD = "qwen3_5-mtp"


def family(name, seed):
    return importlib.import_module(f"families.{name}").spec(seed)


def families():
    return sorted(path.stem for path in (HERE / "families").glob("[a-z]*.py"))


def make(name, root, seed, everything):
    base, _, form = name.partition("-")
    spec, folder = family(base, seed), root / name
    if form:  # what is seen does not depend on how weights are stored
        spec = replace(spec, timeline=False)
    shutil.rmtree(folder, ignore_errors=True)
    scratch = root / f".{name}" if form else folder  # a sibling's weights are its family's
    write_files(spec, scratch)
    reference = spec.reference.random(scratch)
    weights.fill(reference, spec, seed)
    cases.plant(reference, spec, scratch, seed, everything)
    tensors = hub_tensors(reference, spec)
    if form:
        shutil.rmtree(scratch)
        stored = mlx.sibling(spec, tensors, folder, "mlx" if form == "mlx" else "mlx-4bit")
        cases.write(stored, spec, folder, seed, everything, pixels=False)
        return
    write_weights(tensors, folder, spec)
    stored = spec.reference.stored(folder)
    unchanged(reference.model, stored.model)
    cases.write(stored, spec, folder, seed, everything)
    sizes.write(spec, folder, seed)


def unchanged(built, stored):
    for name, tensor in stored.state_dict().items():
        if not torch.equal(tensor, built.state_dict()[name]):
            raise ValueError(f"Expected {name} to come back from the file as it was")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=COMMITTED)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--family", nargs="+")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--check", type=Path)
    parser.add_argument("--threads", type=int, default=1, help="the last digits depend on it")
    return parser.parse_args()


def main():
    args = arguments()
    sys.path.insert(0, str(HERE))
    torch.set_num_threads(args.threads)
    if args.check:
        sys.exit(check(args.check, family))
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.family or [*families(), *SIBLINGS, WITH_HEAD, "quantization"]:
        start = time.time()
        if name == "quantization":
            make_quantization(args.out, args.seed)
        elif name == WITH_HEAD:
            mtp.make(args.out, args.seed)
        else:
            torch.manual_seed(args.seed)
            make(name, args.out, args.seed, args.all)
        print(f"{name}: {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
