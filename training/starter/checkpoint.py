"""A training run's folder: `part-NN.safetensors` files under 16 MB and `state.json`, replaced together.

Tensors are named `net.m.…` (model), `net.h.…` (heads), `ema.…` (moving average of the model) and `moment.…` (optimiser).
"""
import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

LIMIT = 15_000_000      # bytes in a part; files over 16 MB do not travel between machines


def parts(tensors):
    """Groups named tensors greedily; the largest single tensor here is about 4 MB."""
    group, size = {}, 0
    for name, tensor in tensors.items():
        bytes_ = tensor.numel() * tensor.element_size()
        if group and size + bytes_ > LIMIT:
            yield group
            group, size = {}, 0
        group[name] = tensor
        size += bytes_
    yield group


def save(folder, tensors, state):
    folder = Path(folder)
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for i, group in enumerate(parts(tensors)):
        save_file({n: t.detach().cpu().contiguous() for n, t in group.items()}, fresh / f"part-{i:02}.safetensors")
    (fresh / "state.json").write_text(json.dumps(state, indent=1))
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)


def load(folder):
    """All tensors and the state; None if there is no checkpoint."""
    folder = Path(folder)
    if not (folder / "state.json").exists():
        return None
    tensors = {}
    for path in sorted(folder.glob("part-*.safetensors")):
        tensors.update(load_file(path))
    return tensors, json.loads((folder / "state.json").read_text())


def average(folder):
    """The averaged weights of a run, under the names of the checkpoint."""
    found = load(folder)
    if found is None:
        raise SystemExit(f"There is no checkpoint in {folder}.")
    return {n.removeprefix("ema."): t for n, t in found[0].items() if n.startswith("ema.")}


def moments(optimizer):
    """The optimiser's tensors, `moment.KEY.PARAMETER`, and Adam's step counts by parameter."""
    tensors, steps = {}, {}
    for name, p in zip(optimizer.names, (p for g in optimizer.param_groups for p in g["params"])):
        for key, value in optimizer.state.get(p, {}).items():
            if isinstance(value, torch.Tensor):
                tensors[f"moment.{key}.{name}"] = value
            else:
                steps[name] = value
    return tensors, steps


def restore_moments(optimizer, tensors, steps):
    """Puts the moments back; returns how many parameters had none."""
    lost = 0
    for name, p in zip(optimizer.names, (p for g in optimizer.param_groups for p in g["params"])):
        keys = ["m", "v"] if name in steps else ["velocity"]
        found = {k: tensors[f"moment.{k}.{name}"].to(p.device) for k in keys if f"moment.{k}.{name}" in tensors}
        if len(found) == len(keys):
            optimizer.state[p].update(found)
            if name in steps:
                optimizer.state[p]["step"] = steps[name]
        else:
            lost += 1
    return lost
