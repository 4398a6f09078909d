"""Blocks of every kind that GGUF files hold, beside the floats for which they stand by llama.cpp's own reader.

    pip install gguf safetensors
    python3 test/goldens/generator/gguf_blocks.py        # writes test/models/fixtures/gguf-blocks.safetensors
"""
from pathlib import Path

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize
from safetensors.numpy import save_file

KINDS = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
# Where the f16 numbers of a block lie: any bytes are codes, but not any are useful factors.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
ROWS, COLUMNS = 3, 512
FILE = Path(__file__).resolve().parents[2] / "models" / "fixtures" / "gguf-blocks.safetensors"


def blocks(kind: str, random: np.random.Generator) -> np.ndarray:
    values, size = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    count = ROWS * COLUMNS // values
    made = random.integers(0, 256, (count, size), dtype=np.uint8)
    for at in HALVES[kind]:
        factors = random.normal(0, 0.02, count).astype(np.float16)
        made[:, at : at + 2] = factors.view(np.uint8).reshape(count, 2)
    return made.reshape(ROWS, -1)


def main() -> None:
    random = np.random.default_rng(20)
    tensors = {}
    for kind in KINDS:
        packed = blocks(kind, random)
        tensors[f"{kind}.blocks"] = packed
        tensors[f"{kind}.values"] = dequantize(packed, GGMLQuantizationType[kind]).astype(np.float32)
    save_file(tensors, FILE)


main()
