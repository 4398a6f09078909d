"""Writing a checkpoint folder in the hub's form, and JSON that people can read."""
import json
import re
import tempfile
from pathlib import Path

from safetensors.torch import load_file, save_file
from weights import keeps_float32


def write_json(path, value):
    """Indented; lists of numbers on one line."""
    path.write_text(_dump(value, "") + "\n")


def _dump(value, margin):
    if isinstance(value, list) and all(isinstance(v, (int, float)) for v in value):
        return json.dumps(value, separators=(",", ":"))
    if not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner = margin + " "
    items = ([f"{json.dumps(k)}: {_dump(v, inner)}" for k, v in value.items()] if isinstance(value, dict)
             else [_dump(v, inner) for v in value])
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return opening + ",".join(f"\n{inner}{item}" for item in items) + f"\n{margin}{closing}"


def write_files(spec, folder):
    """Everything but the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"config.json": spec.config, "generation_config.json": spec.generation,
             "tokenizer_config.json": spec.tokenizer_config, "preprocessor_config.json": spec.preprocessor,
             "processor_config.json": spec.processor, "video_preprocessor_config.json": spec.video}
    for name, content in files.items():
        if content is not None:
            write_json(folder / name, content)
    (folder / "tokenizer.json").write_text(spec.tokenizer.to_str())
    if spec.template:
        (folder / "chat_template.jinja").write_text(spec.template)


def hub_tensors(reference, spec):
    """The model's tensors under the names and in the layout of the hub's files."""
    tensors = {k: v for k, v in reference.model.state_dict().items() if not k.endswith("inv_freq")}
    if reference.model.config.tie_word_embeddings:
        tensors.pop("lm_head.weight", None)
    if spec.hub_format:
        with tempfile.TemporaryDirectory() as folder:
            reference.model.save_pretrained(folder)
            tensors = load_file(Path(folder) / "model.safetensors")
    tensors = {renamed(k, spec.rename): v.clone().contiguous() for k, v in tensors.items()}
    return spec.stored(tensors) if spec.stored else tensors


def renamed(name, rules):
    """By the first rule that matches."""
    for pattern, replacement in rules:
        other = re.sub(pattern, replacement, name, count=1)
        if other != name:
            return other
    return name


def write_weights(tensors, folder, spec, kind="pt"):
    stored = {k: v if keeps_float32(k) or not v.is_floating_point() else v.to(spec.dtype) for k, v in tensors.items()}
    if spec.shards == 1:
        save_file(stored, folder / "model.safetensors", metadata={"format": kind})
        return
    names, places = sorted(stored), {}
    for i in range(spec.shards):
        part, file = names[i :: spec.shards], f"model-{i + 1:05d}-of-{spec.shards:05d}.safetensors"
        save_file({k: stored[k] for k in part}, folder / file, metadata={"format": kind})
        places.update({k: file for k in part})
    size = sum(v.numel() * v.element_size() for v in stored.values())
    index = dict(metadata=dict(total_size=size), weight_map=dict(sorted(places.items())))
    write_json(folder / "model.safetensors.index.json", index)
