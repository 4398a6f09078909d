"""LocateAnything, for which transformers has no class: MoonViT is Kimi K2.5's class for single images, the decoder Qwen2's;
projector (a norm over merged patches), names in the file, prompt and image processor (whole tokens by stretching) are written
from published descriptions alone, llama.cpp's and mlx-vlm's readings of nvidia/LocateAnything-3B. What kimi_vl.py says of such
proofs holds here."""
import functools
import json
import re

import numpy as np
import torch
from families import kimi_vl
from PIL import Image
from reference import open_picture
from safetensors.torch import load_file
from spec import UNEVEN, Spec, pick
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer, GenerationConfig
from vocabularies import QWEN, byte_bpe, padded

CONTEXT = "<IMG_CONTEXT>"
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", CONTEXT, "<box>", "</box>", "<ref>", "</ref>"]
NAMES = [  # hub, run time
    ("language_model.lm_head.", "lm_head."), ("language_model.model.", "model.language_model."),
    ("mlp1.0.", "model.mm_projector.norm."), ("mlp1.1.", "model.mm_projector.linear_1."), ("mlp1.3.", "model.mm_projector.linear_2."),
    ("vision_model.patch_embed.pos_emb.weight", "model.vision_tower.patch_embed.pos_emb.position_embeddings"),
    ("vision_model.patch_embed.", "model.vision_tower.patch_embed."), ("vision_model.encoder.blocks.", "model.vision_tower.layers."),
    ("vision_model.encoder.", "model.vision_tower."),
]
# Of nvidia/LocateAnything-3B, without what it has for videos.
TEMPLATE = (
    "{% set image_count = namespace(value=0) %}{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "{% set image_count.value = image_count.value + 1 %}<image-{{ image_count.value }}>{% elif 'text' in content %}"
    "{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


class Projector(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.width = 4 * config.vision_config.hidden_size
        hidden = config.text_config.hidden_size
        self.norm, self.linear_1, self.linear_2 = nn.LayerNorm(self.width), nn.Linear(self.width, hidden), nn.Linear(hidden, hidden)

    def forward(self, x):
        return self.linear_2(nn.functional.gelu(self.linear_1(self.norm(x.reshape(-1, 1, self.width)))))


class LocateAnything(kimi_vl.KimiVl):
    def open_processor(self):
        settings = json.loads((self.folder / "preprocessor_config.json").read_text())
        return Processor(AutoTokenizer.from_pretrained(self.folder), settings)

    def config(self):
        raw = json.loads((self.folder / "config.json").read_text())
        vision = raw["vision_config"]
        vision |= dict(pos_emb_height=vision["init_pos_emb_height"], pos_emb_width=vision["init_pos_emb_width"])
        return AutoConfig.for_model("kimi_k25", text_config=raw["text_config"], vision_config=vision, tie_word_embeddings=True,
                                    image_token_id=raw["image_token_index"], projection_hidden_size=vision["hidden_size"])

    @classmethod
    def random(cls, folder):
        found = super().random(folder)
        found.model.model.mm_projector = Projector(found.model.config).float()
        return found

    def load(self):
        model = AutoModelForImageTextToText.from_config(self.config(), attn_implementation=self.attention).float()
        model.model.mm_projector = Projector(model.config).float()
        tensors = {k: v.float() for k, v in kimi_vl.from_hub(load_file(self.folder / "model.safetensors"), NAMES).items()}
        model.load_state_dict(tensors | {"lm_head.weight": tensors["model.language_model.embed_tokens.weight"]}, strict=True)
        model.tie_weights()
        model.generation_config = GenerationConfig.from_pretrained(self.folder)
        return model.eval()

    def prepare(self, messages, folder):
        """In the recorded prompt an image is its token: the numbers of images do not reach the model."""
        part = lambda p: dict(type="text", text=p["text"]) if p["type"] == "text" else dict(type="image")
        spoken = [m if isinstance(m["content"], str) else dict(m, content=[part(p) for p in m["content"]]) for m in messages]
        prompt = self.tokenizer.apply_chat_template(spoken, tokenize=False, add_generation_prompt=True)
        names = [p["image"] for m in messages if not isinstance(m["content"], str) for p in m["content"] if p["type"] == "image"]
        views = [self.processor.patches(open_picture(folder, name)) for name in names]
        parts = re.split(r"<image-\d+>", prompt)
        expanded = parts[0] + "".join(
            f"<img>{CONTEXT * (rows * columns // 4)}</img>{rest}" for (_, (_, rows, columns)), rest in zip(views, parts[1:], strict=True))
        return CONTEXT.join(parts), self.inputs(expanded, views)


class Processor(kimi_vl.KimiVlProcessor):
    def whole_tokens(self, picture, unit):
        width, height = (-(-side // unit) * unit for side in picture.size)
        if max(width, height) // (unit // 2) >= 512:
            raise ValueError("Exceed pos emb")
        return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def spec(seed):
    tk = byte_bpe(40 + seed % 7, last=SPECIALS, pattern=QWEN, nfc=True)
    i = tk.token_to_id
    text = dict(
        model_type="qwen2", attention_dropout=0.0, bos_token_id=i("<|endoftext|>"), eos_token_id=i("<|im_end|>"), hidden_act="silu",
        hidden_size=32, initializer_range=0.02, intermediate_size=48, max_position_embeddings=32768, num_attention_heads=pick(seed, 4, 2),
        num_hidden_layers=2, num_key_value_heads=1, rms_norm_eps=1e-6, rope_theta=1000000.0, rope_scaling=None,
        tie_word_embeddings=True, use_cache=True, use_sliding_window=False, vocab_size=padded(tk))
    vision = dict(model_type="moonvit", hidden_size=24, intermediate_size=40, num_attention_heads=2, num_hidden_layers=2, patch_size=6,
                  init_pos_emb_height=5, init_pos_emb_width=5, merge_kernel_size=[2, 2])
    config = dict(architectures=["LocateAnythingForConditionalGeneration"], model_type="locateanything", torch_dtype="bfloat16",
                  image_token_index=i(CONTEXT), mlp_connector_layers=2, text_config=text, vision_config=vision)
    preprocessor = dict(patch_size=6, in_token_limit=36, merge_kernel_size=[2, 2], **UNEVEN)
    tokenizer_config = dict(
        tokenizer_class="Qwen2Tokenizer", processor_class="LocateAnythingProcessor", add_prefix_space=False, bos_token=None,
        eos_token="<|im_end|>", pad_token="<|endoftext|>", unk_token=None, clean_up_tokenization_spaces=False,
        additional_special_tokens=SPECIALS[1:])
    generation = dict(bos_token_id=i("<|endoftext|>"), eos_token_id=i("<|im_end|>"), pad_token_id=i("<|endoftext|>"))
    return Spec("locateanything", config, tk, tokenizer_config, generation, TEMPLATE, preprocessor, "<|im_end|>",
                stored=functools.partial(kimi_vl.to_hub, names=NAMES), reference=LocateAnything,
                other_settings=(dict(in_token_limit=400),))
