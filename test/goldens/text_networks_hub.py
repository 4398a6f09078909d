"""Tiny random checkpoints of PP-OCRv5 mobile as the hub has them, and what transformers says of one picture each.

python3 test/goldens/text_networks_hub.py (needs torch and transformers 5.18)
"""

import json
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file
from transformers import (
    PPOCRV5MobileDetConfig,
    PPOCRV5MobileDetForObjectDetection,
    PPOCRV5MobileRecConfig,
    PPOCRV5MobileRecForTextRecognition,
)

OUT = Path(__file__).resolve().parents[1] / "engine/fixtures/reader-hub"
CLASSES = 23
# kernel, in, out, stride, squeeze and excite; scaled by one half.
DETECTOR_BLOCKS = [
    [[3, 16, 16, 1, False]],
    [[3, 16, 32, 2, False], [3, 32, 32, 1, False]],
    [[3, 32, 32, 2, False]],
    [[3, 32, 64, 2, False], [5, 64, 64, 1, False]],
    [[5, 64, 64, 2, True], [5, 64, 64, 1, True]],
]
RECOGNISER_BLOCKS = [
    [[3, 16, 16, 1, False]],
    [[3, 16, 32, 1, False]],
    [[3, 32, 32, [2, 1], False], [3, 32, 32, 1, False]],
    [[3, 32, 64, [1, 2], False], [5, 64, 64, 1, False]],
    [[5, 64, 64, [2, 1], True], [5, 64, 64, [2, 1], False]],
]


def backbone(blocks: list) -> dict:
    return {
        "model_type": "pp_lcnet_v3",
        "scale": 0.5,
        "divisor": 8,
        "conv_symmetric_num": 2,
        "block_configs": blocks,
        "out_features": ["stage2", "stage3", "stage4", "stage5"],
        "out_indices": [2, 3, 4, 5],
    }


def randomize(model: torch.nn.Module) -> torch.nn.Module:
    """Statistics and affine blocks that are not neutral, so that every one of them must be read."""
    torch.manual_seed(5)
    for name, values in [*model.named_parameters(), *model.named_buffers()]:
        if values.dtype != torch.float32:
            continue
        with torch.no_grad():
            if name.endswith("running_var") or name.endswith("scale"):
                values.uniform_(0.6, 1.4)
            elif values.dim() > 1:
                values.normal_(0, 1.2 / values[0].numel() ** 0.5)
            elif name.endswith("weight"):
                values.uniform_(0.7, 1.3)
            else:
                values.normal_(0, 0.2)
    return model.eval()


def save(model: torch.nn.Module, folder: Path, processor: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor) + "\n")


def record(model: torch.nn.Module, pixels: numpy.ndarray, processor: dict, path: Path) -> None:
    """`pixels` [height, width, 3] RGB bytes; the image processor of the detector turns them to BGR."""
    values = (pixels[:, :, :: -1 if path.stem == "detector" else 1].astype(numpy.float32) / 255 - processor["image_mean"]) / processor["image_std"]
    x = torch.from_numpy(numpy.ascontiguousarray(values.astype(numpy.float32).transpose(2, 0, 1)[None]))
    with torch.no_grad():
        output = model(x).last_hidden_state
    save_file({"pixels": torch.from_numpy(pixels.copy()), "output": output.contiguous()}, path)
    print(path.name, tuple(output.shape), float(output.min()), float(output.max()))


def main() -> None:
    rng = numpy.random.default_rng(5)
    picture = lambda height, width: rng.integers(0, 256, (height, width, 3), dtype=numpy.uint8)
    imagenet = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "character_list": ["blank", *map(chr, range(97, 97 + CLASSES - 2)), " "]}
    detector = PPOCRV5MobileDetConfig(
        backbone_config=backbone(DETECTOR_BLOCKS), neck_out_channels=16, layer_list_out_channels=[6, 9, 11, 20]
    )
    recogniser = PPOCRV5MobileRecConfig(
        backbone_config=backbone(RECOGNISER_BLOCKS), hidden_size=24, num_attention_heads=4, head_out_channels=CLASSES
    )
    for name, model, processor, size in (
        ("detector", PPOCRV5MobileDetForObjectDetection(detector), imagenet, (64, 96)),
        ("recogniser", PPOCRV5MobileRecForTextRecognition(recogniser), half, (48, 80)),
    ):
        save(randomize(model), OUT / name, processor)
        record(model, picture(*size), processor, OUT / f"{name}.safetensors")


if __name__ == "__main__":
    main()
