"""Writes and reads a checkpoint folder in the layout of the hub: every file but the weights."""
import copy
import json
import shutil
from pathlib import Path

from .config import CONFIG, TOKEN
from .packing import unpack

HERE = Path(__file__).resolve().parent
TOKENIZER = HERE.parent / "tokenizer.json"
TEMPLATE = HERE / "template.jinja"

PREPROCESSOR = dict(
    image_processor_type="Qwen2VLImageProcessorFast", processor_class="Qwen3VLProcessor",
    size=dict(shortest_edge=32 * 32 * 4, longest_edge=1280 * 1280), patch_size=16, temporal_patch_size=2,
    merge_size=2, image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5], rescale_factor=1 / 255,
    do_rescale=True, do_normalize=True, do_resize=True, do_convert_rgb=True, resample=3)

GENERATION = dict(
    bos_token_id=TOKEN["<|endoftext|>"], pad_token_id=TOKEN["<|endoftext|>"],
    eos_token_id=[TOKEN["<|im_end|>"], TOKEN["<|endoftext|>"]], do_sample=False)


def tokenizer_config():
    added = {str(i): dict(content=name, lstrip=False, normalized=False, rstrip=False, single_word=False, special=True)
             for name, i in TOKEN.items()}
    return dict(
        tokenizer_class="Qwen2Tokenizer", processor_class="Qwen3VLProcessor", add_prefix_space=False, add_bos_token=False,
        added_tokens_decoder=added, additional_special_tokens=[n for n in TOKEN if n != "<|endoftext|>"],
        bos_token=None, eos_token="<|im_end|>", pad_token="<|endoftext|>", unk_token=None, errors="replace",
        spells_readings=True,               # Afterimage encodes the read lines behind an image a character at a time
        split_special_tokens=False, clean_up_tokenization_spaces=False, model_max_length=16384)


def write_texts(folder, quantization=None):
    """The JSON and template files; `quantization` is MLX's object for a quantised checkpoint."""
    folder = Path(folder)
    config = copy.deepcopy(CONFIG)
    config["dtype"] = "bfloat16"
    if quantization:
        config["quantization"] = config["quantization_config"] = quantization
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", GENERATION)
    write_json(folder / "preprocessor_config.json", PREPROCESSOR)
    write_json(folder / "tokenizer_config.json", tokenizer_config())
    shutil.copy(TOKENIZER, folder / "tokenizer.json")
    shutil.copy(TEMPLATE, folder / "chat_template.jinja")


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def read_weights(folder):
    """The float32 weights of an exported folder, unpacked where they are quantised."""
    from safetensors.torch import load_file
    folder = Path(folder)
    stored = load_file(folder / "model.safetensors")
    bits = json.loads((folder / "config.json").read_text()).get("quantization", {}).get("bits")
    out = {}
    for name, w in stored.items():
        path = name.removesuffix(".weight")
        if path + ".scales" in stored and name == path + ".weight":
            out[name] = unpack(w, stored[path + ".scales"], stored[path + ".biases"], bits)
        elif not name.endswith((".scales", ".biases")):
            out[name] = w.float()
    return out
