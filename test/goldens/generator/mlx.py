"""Siblings in MLX's names and layouts, as they are or quantized.

MLX renames prefixes, keeps the channels of kernels last, stacks experts under switch_mlp, stores Qwen3.5's norms with
their 1 added, and quantizes matrices row by row in groups: value = scale * code + bias.
"""
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from checkpoint import renamed, write_files, write_weights
from safetensors.torch import save_file

TOWERS = ("vision_tower", "vision_model", "multi_modal_projector", "embed_vision", "audio_tower", "embed_audio", "visual")


def layout(spec, tensors):
    """Hub tensors -> MLX tensors, unquantized."""
    out = {}
    for name, tensor in tensors.items():
        out.update(_placed(spec, name, tensor))
    return {k: v.contiguous() for k, v in _stacked(out).items()}


def _placed(spec, name, tensor):
    other = renamed(name, spec.mlx)
    if tensor.ndim >= 4 or (tensor.ndim == 3 and "conv" in name):
        return {other: tensor.movedim(1, -1)}
    if spec.mlx_norms and re.search(spec.mlx_norms, name):
        return {other: tensor + 1}
    if ".mlp.experts." not in name or name.endswith(".weight"):
        return {other: tensor}
    stem = other.replace(".experts.", ".switch_mlp.")
    if not name.endswith("gate_up_proj"):
        return {f"{stem}.weight": tensor}
    gate, up = tensor.chunk(2, dim=1)
    return {stem.replace("gate_up_proj", f"{part}_proj.weight"): half for part, half in (("gate", gate), ("up", up))}


def _stacked(tensors):
    """mlp.experts.E.NAME.weight, one by one, become one tensor."""
    experts, rest = {}, {}
    for name, tensor in tensors.items():
        match = re.match(r"(.*\.mlp\.)experts\.(\d+)\.(\w+)\.weight$", name)
        if match:
            experts.setdefault(f"{match[1]}switch_mlp.{match[3]}.weight", {})[int(match[2])] = tensor
        else:
            rest[name] = tensor
    return rest | {name: torch.stack([parts[e] for e in sorted(parts)]) for name, parts in experts.items()}


# ---------------------------------------------------------------------------------------------- quantization

def quantize(matrix, bits, group):
    """As MLX does on a CPU. float32 [rows, columns] -> codes uint8, scales and biases [rows, columns / group]."""
    groups = np.asarray(matrix, np.float32).reshape(len(matrix), -1, group)
    most = np.float32(2**bits - 1)
    low, high = groups.min(-1), groups.max(-1)
    from_low = np.abs(low) > np.abs(high)
    scale = np.maximum((high - low) / most, np.float32(1e-7))
    scale = np.where(from_low, scale, -scale).astype(np.float32)
    edge = np.where(from_low, low, high).astype(np.float32)
    steps = np.rint(edge / scale)  # the edge is hit exactly
    scale = np.where(steps != 0, edge / np.where(steps != 0, steps, 1), scale).astype(np.float32)
    bias = np.where(steps != 0, edge, 0).astype(np.float32)
    codes = np.clip(np.rint((groups - bias[..., None]) / scale[..., None]), 0, most)
    return codes.astype(np.uint8).reshape(len(matrix), -1), scale, bias


def pack(codes, bits):
    """uint8 [rows, columns] -> uint32 [rows, columns * bits / 32]: one little-endian stream of bits per row."""
    stream = (codes[..., None] >> np.arange(bits, dtype=np.uint8)) & 1
    return np.packbits(stream.reshape(len(codes), -1).astype(np.uint8), axis=-1, bitorder="little").view("<u4")


def dequantize(codes, scales, biases, group):
    wide = lambda x: np.repeat(x.astype(np.float32), group, -1)
    return wide(scales) * codes.astype(np.float32) + wide(biases)


def quantized(spec, tensors):
    """(MLX tensors, the config's quantization section, hub tensors with the values that the MLX ones stand for)"""
    bits, group, scale_type, overrides = spec.quantized
    section, packed, values = dict(group_size=group, bits=bits, mode="affine"), {}, {}
    for name, tensor in tensors.items():
        path = renamed(name, spec.mlx).removesuffix(".weight")
        chosen = next((o for pattern, o in overrides.items() if re.fullmatch(pattern, path)), None)
        if chosen is not None:
            section[path] = chosen
        settings = dict(bits=bits, group_size=group) if chosen is None else chosen
        if not _is_matrix(name, tensor) or settings is False or tensor.shape[-1] % settings["group_size"]:
            values[name] = tensor.to(scale_type).float() if tensor.is_floating_point() else tensor
            packed.update({k: v.to(scale_type) for k, v in layout(spec, {name: values[name]}).items()})
            continue
        codes, *numbers = quantize(tensor.float().numpy(), settings["bits"], settings["group_size"])
        scales, biases = (torch.from_numpy(n).to(scale_type) for n in numbers)
        packed[f"{path}.weight"] = torch.from_numpy(pack(codes, settings["bits"]).view(np.int32)).view(torch.uint32)
        packed[f"{path}.scales"], packed[f"{path}.biases"] = scales, biases
        values[name] = torch.from_numpy(dequantize(codes, scales.float().numpy(), biases.float().numpy(), settings["group_size"]))
    return packed, section, values


def _is_matrix(name, tensor):
    tower = any(part in name for part in TOWERS)
    return name.endswith(".weight") and tensor.ndim == 2 and not tower and "conv" not in name


# ---------------------------------------------------------------------------------------------- writing

def _kept(spec, name, tensor):
    """What is left of a norm that is stored with its 1 added."""
    added = bool(spec.mlx_norms and re.search(spec.mlx_norms, name))
    return (tensor + 1).to(spec.dtype).float() - 1 if added else tensor


def sibling(spec, tensors, folder, form):
    """Writes the files of form mlx or mlx-4bit and returns the reference with the numbers they stand for."""
    packed, values = layout(spec, tensors), {name: _kept(spec, name, tensor) for name, tensor in tensors.items()}
    config = dict(spec.config)
    if form != "mlx":
        packed, section, values = quantized(spec, tensors)
        config = {k: v for k, v in config.items() if k not in ("dtype", "torch_dtype")}
        config |= dict(quantization=section, quantization_config=section)
    write_files(replace(spec, config=config), folder)
    if form == "mlx":
        write_weights(packed, folder, replace(spec, shards=1), kind="mlx")
    else:
        save_file(packed, folder / "model.safetensors", metadata={"format": "mlx"})
    with tempfile.TemporaryDirectory() as plain:
        write_files(spec, Path(plain))
        write_weights(values, Path(plain), replace(spec, dtype=torch.float32, shards=1))
        return spec.reference.stored(Path(plain))
