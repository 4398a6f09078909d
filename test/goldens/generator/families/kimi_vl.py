"""Kimi-VL, for which transformers has no class. What stands behind these numbers:

* tower, projector and decoder are Kimi K2.5's class with plain queries (no latent) and plain rotary frequencies: published
  descriptions give both models the same MoonViT for single images and the same DeepSeek-V3 layers;
* the image processor below is written from its description alone (at most `in_token_limit` whole patches, Pillow's bicubic,
  black at the right and the bottom up to whole tokens), and so are the prompt and the names in the file.

It proves that this project does what the description says, not that the description is complete.
"""
import json

import numpy as np
import torch
from families import kimi_k25 as k25
from PIL import Image
from reference import Reference, open_picture, tensors_of
from safetensors.torch import load_file
from spec import UNEVEN, Spec
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer, GenerationConfig

NAMES = [  # hub, run time
    ("language_model.lm_head.", "lm_head."), ("language_model.model.", "model.language_model."),
    ("multi_modal_projector.pre_norm.", "model.mm_projector.pre_norm."), ("multi_modal_projector.linear_1.", "model.mm_projector.in_proj."),
    ("multi_modal_projector.linear_2.", "model.mm_projector.out_proj."),
    ("vision_tower.patch_embed.pos_emb.weight", "model.vision_tower.patch_embed.pos_emb.position_embeddings"),
    ("vision_tower.patch_embed.", "model.vision_tower.patch_embed."), ("vision_tower.encoder.blocks.", "model.vision_tower.layers."),
    ("vision_tower.encoder.", "model.vision_tower."),
]
IN_BLOCK = [("norm0.", "norm1."), ("norm1.", "norm2."), ("wo.", "attn.proj."), ("mlp.fc0.", "mlp.fc1."), ("mlp.fc1.", "mlp.fc2.")]
HEADS = 2
PAD = "<|media_pad|>"


def to_hub(tensors, names=NAMES):
    """Run-time tensors -> the hub's: q, k and v in one, rotary pairs side by side, experts one by one."""
    found = {}
    for name, tensor in tensors.items():
        if ".attn.k_proj." in name or ".attn.v_proj." in name:
            continue
        if ".attn.q_proj." in name:
            q, k, v = (tensors[name.replace("q_proj", f"{part}_proj")] for part in "qkv")
            found[_swapped(name.replace("attn.q_proj", "wqkv"), 1, names)] = torch.cat([_paired(q), _paired(k), v])
        elif ".mlp.experts." in name:
            found |= _one_by_one(_swapped(name, 1, names), tensor)
        else:
            found[_swapped(name, 1, names)] = tensor
    return {k: v.contiguous() for k, v in found.items()}


def from_hub(tensors, names=NAMES):
    found, experts = {}, {}
    for name, tensor in tensors.items():
        other, parts = _swapped(name, 0, names), name.split(".experts.")
        if ".wqkv." in name:
            q, k, v = tensor.chunk(3)
            for part, value in (("q", _halved(q)), ("k", _halved(k)), ("v", v)):
                found[other.replace("wqkv", f"attn.{part}_proj")] = value
        elif len(parts) == 2:
            expert, part = parts[1].split(".")[:2]
            experts.setdefault(other.split(".experts.")[0], {}).setdefault(part, {})[int(expert)] = tensor
        else:
            found[other] = tensor
    for place, parts in experts.items():
        gate, up, down = (torch.stack([parts[p][e] for e in sorted(parts[p])]) for p in ("gate_proj", "up_proj", "down_proj"))
        found |= {f"{place}.experts.gate_up_proj": torch.cat([gate, up], 1), f"{place}.experts.down_proj": down}
    return found


def _swapped(name, source, names):
    """By the first pair that fits, then inside a block of the tower by the first that fits."""
    pair = next(pair for pair in names if name.startswith(pair[source]))
    rest = name[len(pair[source]):]
    if pair[0].endswith("blocks."):
        number, _, rest = rest.partition(".")
        inner = next((p for p in IN_BLOCK if rest.startswith(p[source])), ("", ""))
        rest = f"{number}.{inner[1 - source]}{rest[len(inner[source]):]}"
    return pair[1 - source] + rest


def _one_by_one(name, tensor):
    place, kind = name.split("experts.")
    if kind == "down_proj":
        return {f"{place}experts.{e}.down_proj.weight": t for e, t in enumerate(tensor)}
    return {f"{place}experts.{e}.{part}_proj.weight": half for e, t in enumerate(tensor) for part, half in zip(("gate", "up"), t.chunk(2))}


def _paired(x):
    """Halves of a head's rows -> neighbours."""
    return x.reshape(HEADS, 2, -1, *x.shape[1:]).transpose(1, 2).reshape(x.shape)


def _halved(x):
    return x.reshape(HEADS, -1, 2, *x.shape[1:]).transpose(1, 2).reshape(x.shape)


class KimiVl(Reference):
    def open_processor(self):
        settings = json.loads((self.folder / "preprocessor_config.json").read_text())
        return KimiVlProcessor(AutoTokenizer.from_pretrained(self.folder), settings)

    def config(self):
        raw = json.loads((self.folder / "config.json").read_text())
        return AutoConfig.for_model("kimi_k25", **{k: v for k, v in raw.items() if k != "model_type"})

    def load(self):
        model = AutoModelForImageTextToText.from_config(self.config(), attn_implementation=self.attention).float()
        tensors = {k: v.float() for k, v in from_hub(load_file(self.folder / "model.safetensors")).items()}
        model.load_state_dict(tensors, strict=True)
        model.generation_config = GenerationConfig.from_pretrained(self.folder)
        return model.eval()

    def prepare(self, messages, folder):
        spoken = [m if isinstance(m["content"], str) else dict(m, content=[dict(type=p["type"], text=p.get("text")) for p in m["content"]])
                  for m in messages]
        prompt = self.tokenizer.apply_chat_template(spoken, tokenize=False, add_generation_prompt=True)
        names = [p["image"] for m in messages if not isinstance(m["content"], str) for p in m["content"] if p["type"] == "image"]
        views = [self.processor.patches(open_picture(folder, name)) for name in names]
        expanded = prompt.split(PAD)
        for i, (_, (_, height, width)) in enumerate(views):
            expanded[i] += PAD * (height * width // 4)
        return prompt, self.inputs("".join(expanded), views)

    def inputs(self, text, views):
        inputs = dict(self.tokenizer(text, add_special_tokens=False, return_tensors="pt"))
        inputs.pop("token_type_ids", None)
        if views:
            inputs["pixel_values"] = torch.cat([patches for patches, _ in views])
            inputs["image_grid_thw"] = torch.tensor([grid for _, grid in views])
        return tensors_of(inputs)


class KimiVlProcessor:
    image_processor = None

    def __init__(self, tokenizer, settings):
        self.tokenizer, self.settings = tokenizer, settings

    def patches(self, picture):
        """[patches, 3, side, side] in raster order, and (1, rows, columns)."""
        side = self.settings["patch_size"]
        canvas = self.whole_tokens(self.shrunk(picture, side), 2 * side)
        pixels = (canvas.astype(np.float32) / 255 - np.float32(self.settings["image_mean"])) / np.float32(self.settings["image_std"])
        rows, columns = canvas.shape[0] // side, canvas.shape[1] // side
        cut = pixels.reshape(rows, side, columns, side, 3).transpose(0, 2, 4, 1, 3)
        return torch.from_numpy(np.ascontiguousarray(cut).reshape(-1, 3, side, side)), (1, rows, columns)


    def shrunk(self, picture, side):
        width, height = picture.size
        count, limit = (width // side) * (height // side), self.settings["in_token_limit"]
        scale = (limit / count) ** 0.5 if count > limit else 1.0
        return picture.resize((max(1, int(width * scale)), max(1, int(height * scale))), Image.Resampling.BICUBIC)

    def whole_tokens(self, picture, unit):
        width, height = picture.size
        canvas = np.zeros((-(-height // unit) * unit, -(-width // unit) * unit, 3), np.uint8)
        canvas[:height, :width] = np.asarray(picture)
        return canvas


def spec(seed):
    tk, tokenizer_config = k25.tokenizer(seed, "<|media_start|>")
    i = tk.token_to_id
    text = k25.text(seed, tk, q_lora_rank=None, rope_scaling=None, rope_theta=800000.0, n_shared_experts=2, num_experts_per_tok=3)
    config = k25.model_config(tk, text) | dict(architectures=["KimiVLForConditionalGeneration"], model_type="kimi_vl")
    preprocessor = dict(patch_size=6, pad_input=True, in_token_limit=36, merge_kernel_size=[2, 2], num_pooled_tokens=64, **UNEVEN)
    tokenizer_config |= dict(processor_class="KimiVLProcessor")
    generation = dict(bos_token_id=i("[BOS]"), eos_token_id=[i("<|im_end|>"), i("[EOS]")], pad_token_id=i("[PAD]"))
    return Spec("kimi_vl", config, tk, tokenizer_config, generation, k25.TEMPLATE.replace("%START%", "<|media_start|>"), preprocessor,
                "[EOS]", stored=to_hub, init=k25.routing_bias, reference=KimiVl, mlx=k25.MLX)
