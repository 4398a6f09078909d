"""Writes a training checkpoint as a qwen3_vl folder: bfloat16, or MLX affine 8- or 4-bit for the Linear layers.

    python export.py --run RUN_FOLDER --out ../models/starter [--bits 8]
"""
import argparse
import os
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from starter import checkpoint, folder, held_out, network, packing

GROUP = 64
HEADS = Path(__file__).resolve().parent / "heads.safetensors"


def tensors(weights, bits):
    """Checkpoint tensors; quantised ones become weight, scales and biases."""
    out = {}
    for name, w in weights.items():
        if bits < 16 and packable(name, w):
            path = name.removesuffix(".weight")
            out[name], out[path + ".scales"], out[path + ".biases"] = packing.pack(w, bits, GROUP)
        else:
            out[name] = w.bfloat16().contiguous()
    return out


def packable(name, w):
    """Linear layers and the token table. The position table and the patch kernel stay float, as in MLX conversions."""
    return name.endswith(".weight") and w.ndim == 2 and "pos_embed" not in name and w.shape[1] % GROUP == 0


def write_heads(run):
    """The dense heads beside the training code, so that a run can go on from the exported folder alone."""
    found, _ = checkpoint.load(run)
    save_file({n.removeprefix("net.h."): t.bfloat16() for n, t in found.items() if n.startswith("net.h.")}, HEADS)


def write(weights, out, bits):
    """Builds the folder beside `out`, then moves file by file, so a reader never sees half a file."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as temporary:
        temporary = Path(temporary)
        quantization = dict(group_size=GROUP, bits=bits, mode="affine") if bits < 16 else None
        folder.write_texts(temporary, quantization)
        meta = {"format": "mlx" if quantization else "pt"}
        save_file(tensors(weights, bits), temporary / "model.safetensors", metadata=meta)
        for path in sorted(temporary.iterdir()):
            path.chmod(0o644)
            os.replace(path, out / path.name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", help="folder of a training run; without it, an untrained model is written")
    parser.add_argument("--out", required=True)
    parser.add_argument("--bits", type=int, default=16, choices=[4, 8, 16])
    parser.add_argument("--measure", action="store_true", help="print what the stored precision costs")
    parser.add_argument("--heads", action="store_true", help="also write the dense heads to training/heads.safetensors")
    args = parser.parse_args()
    torch.manual_seed(0)
    weights = checkpoint.average(args.run) if args.run else network.Model().state_dict()
    write(weights, args.out, args.bits)
    if args.measure:
        for name, w in (("float32", weights), (f"{args.bits} bits", folder.read_weights(args.out))):
            print("{}: next-token loss {:.4f}, {:.4f} right, on held-out drawn lines".format(name, *held_out.token_losses(w)))
    if args.heads:
        write_heads(args.run)
    print(f"{args.out}: {sum(w.numel() for w in weights.values()):,} parameters, {args.bits} bits")


if __name__ == "__main__":
    main()
