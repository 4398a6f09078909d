"""Packed words beside the float matrices they stand for: every bit width, group and float format; no model involved."""
import shutil

import numpy as np
import torch
from checkpoint import write_json
from mlx import dequantize, pack, quantize
from safetensors.torch import save_file

E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
SCALE_TYPES = (torch.float32, torch.float16, torch.bfloat16)


def make_quantization(root, seed):
    folder, rng = root / "quantization", np.random.default_rng(seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tensors, index = {}, []
    for bits in (2, 3, 4, 5, 6, 8):
        for group in (32, 64, 128):
            for kind in ("normal", "special"):
                index.append(_affine(tensors, rng, bits, group, kind))
    for mode, bits, group in (("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)):
        index.append(_float_format(tensors, rng, mode, bits, group))
    save_file(tensors, folder / "quantization.safetensors")
    write_json(folder / "index.json", dict(tensors=index))


def _affine(tensors, rng, bits, group, kind):
    columns = max(128, group)
    matrix = rng.normal(0, 1, (4, columns)).astype(np.float32)
    if kind == "special":  # all negative, zero, tiny, one far out
        far = np.where(np.arange(columns) % group == 3, 50, matrix[3])
        matrix = np.stack([-np.abs(matrix[0]) - 1, matrix[1] * 0, matrix[2] * 1e-9, far]).astype(np.float32)
    codes, scales, biases = quantize(matrix, bits, group)
    name, scale_type = f"affine.b{bits}.g{group}.{kind}", SCALE_TYPES[(bits + group // 32) % 3]
    scales, biases = torch.from_numpy(scales).to(scale_type), torch.from_numpy(biases).to(scale_type)
    tensors[f"{name}.weight"] = _words(codes, bits)
    tensors[f"{name}.scales"], tensors[f"{name}.biases"] = scales, biases
    tensors[f"{name}.dequant"] = torch.from_numpy(dequantize(codes, scales.float().numpy(), biases.float().numpy(), group))
    return dict(name=name, mode="affine", bits=bits, group_size=group, rows=4, cols=columns, scale_dtype=str(scale_type)[6:])


def _float_format(tensors, rng, mode, bits, group):
    codes = rng.integers(0, 2**bits, (6, 192)).astype(np.uint8)
    codes[codes == 0x7F], codes[codes == 0xFF] = 0x7E, 0xFE  # not a number
    e4m3 = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn).float().numpy()
    e8m0 = np.ldexp(np.float64(1), np.minimum(np.arange(256), 254) - 127).astype(np.float32)
    low, high = (0, 0x7F) if mode == "nvfp4" else (100, 140)
    scales = rng.integers(low, high, (6, 192 // group)).astype(np.uint8)
    values = np.concatenate([E2M1, -E2M1])[codes] if bits == 4 else e4m3[codes]
    values = values * np.repeat((e4m3 if mode == "nvfp4" else e8m0)[scales], group, -1)
    tensors[f"{mode}.weight"], tensors[f"{mode}.scales"] = _words(codes, bits), torch.from_numpy(scales)
    tensors[f"{mode}.dequant"] = torch.from_numpy(values.astype(np.float32))
    return dict(name=mode, mode=mode, bits=bits, group_size=group, rows=6, cols=192, scale_dtype="uint8")


def _words(codes, bits):
    return torch.from_numpy(pack(codes, bits).view(np.int32)).view(torch.uint32)
