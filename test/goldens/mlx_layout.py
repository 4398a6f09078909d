"""Rewrites golden folders in MLX's names and layouts, unquantized; the expected values stay the same.

python test/goldens/mlx_layout.py --goldens DIR --out DIR [--family F]

MLX renames prefixes, puts channels last in kernels, stacks experts under switch_mlp and adds the 1 of Qwen3.5's norms.
"""
import argparse
import re
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

QWEN = [(r"^(model\.)?visual\.", "vision_tower."), (r"^model\.language_model\.|^model\.", "language_model.model."),
        (r"^lm_head", "language_model.lm_head")]
RENAME = {
    "qwen2_vl": QWEN, "qwen2_5_vl": QWEN, "qwen3_5": QWEN, "qwen3_5_moe": QWEN,
    "paligemma": [], "gemma3": [],
    "mistral3": [(r"^model\.vision_tower\.", "vision_tower.vision_model."), (r"^model\.multi_modal", "multi_modal"),
                 (r"^model\.language_model\.", "language_model.model."), (r"^lm_head", "language_model.lm_head")],
    "pixtral_llava": [(r"^vision_tower\.", "vision_tower.vision_model.")],
    "idefics3": [(r"^model\.(vision_model|connector)", r"\1"), (r"^model\.text_model", "language_model"),
                 (r"^lm_head", "language_model.lm_head")],
    "lfm2_vl": [(r"^model\.vision_tower\.vision_model\.", "vision_tower."), (r"^model\.multi_modal", "multi_modal"),
                (r"^model\.language_model\.", "language_model.model.")],
    "kimi_k25": [(r"^vision_tower\.encoder\.", "vision_tower."), (r"(blocks\.\d+\.)(wqkv|wo)", r"\1attn.\2")],
}
OFFSET_NORM = r"model\.(norm|layers\.\d+\.(input_layernorm|post_attention_layernorm|self_attn\.[qk]_norm))\.weight$"


def channels_last(name, tensor):
    if tensor.ndim >= 4:
        return tensor.movedim(1, -1)
    return tensor.movedim(1, -1) if tensor.ndim == 3 and "conv" in name else tensor


def split_experts(name, tensor):
    """Fused gate and up become two tensors; all move under switch_mlp."""
    stem = name.replace(".experts.", ".switch_mlp.")
    if name.endswith("gate_up_proj"):
        gate, up = tensor.chunk(2, dim=1)
        return {stem.replace("gate_up_proj", "gate_proj.weight"): gate, stem.replace("gate_up_proj", "up_proj.weight"): up}
    return {f"{stem}.weight": tensor}


def stack_experts(tensors):
    """mlp.experts.E.NAME.weight, one by one, become one tensor."""
    found = {}
    for name in list(tensors):
        match = re.match(r"(.*\.mlp\.)experts\.(\d+)\.(\w+)\.weight$", name)
        if match:
            found.setdefault(f"{match[1]}switch_mlp.{match[3]}.weight", {})[int(match[2])] = tensors.pop(name)
    return {name: torch.stack([parts[e] for e in sorted(parts)]) for name, parts in found.items()}


def to_mlx(family, tensors):
    out = {}
    for name, tensor in tensors.items():
        for pattern, replacement in RENAME[family]:
            renamed = re.sub(pattern, replacement, name, count=1)
            if renamed != name:
                name = renamed
                break
        tensor = channels_last(name, tensor)
        if family.startswith("qwen3_5") and re.search(OFFSET_NORM, name):
            tensor = tensor + 1
        fused = ".mlp.experts." in name and not name.endswith(".weight")
        out.update(split_experts(name, tensor) if fused else {name: tensor})
    return {name: tensor.contiguous() for name, tensor in (out | stack_experts(out)).items() if ".mlp.experts." not in name}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--goldens", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--family")
    args = parser.parse_args()
    for family in RENAME:
        if args.family not in (None, family):
            continue
        folder = args.out / family
        shutil.copytree(args.goldens / family, folder, copy_function=shutil.copyfile)
        file = folder / "model.safetensors"
        save_file(to_mlx(family, load_file(file)), file, metadata={"format": "mlx"})


if __name__ == "__main__":
    main()
