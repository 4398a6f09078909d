"""Gemma 3: old hub names, sparse text_config with the older rope keys; sliding and full layers, images whose tokens see each
other, pan and scan, a query scale that is not the head's width."""
import json
import re

import torch
from families.paligemma import FIRST, OLD_NAMES, SIGLIP, tokenizer
from reference import Reference
from spec import UNEVEN, Spec, pick
from vocabularies import padded

TEMPLATE = (
    "{{ bos_token }}{% set ns = namespace(sys='') %}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{% set ns.sys = (m['content'] if m['content'] is string else m['content'][0]['text']) + '\n\n' %}{% else %}"
    "<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n{{ ns.sys }}{% set ns.sys = '' %}"
    "{% if m['content'] is string %}{{ m['content'] | trim }}{% else %}{% for p in m['content'] %}"
    "{% if p['type'] == 'image' %}%IMAGE%{% elif p['type'] == 'text' %}{{ p['text'] | trim }}{% endif %}{% endfor %}{% endif %}"
    "<end_of_turn>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}")


def sharp_attention(name, parameter, generator):
    """With norms on both sides a nearly even attention would make all positions alike."""
    if re.search(r"self_attn\.[qk]_norm\.weight", name):
        return 0.8 + 0.1 * torch.randn(parameter.shape, generator=generator)
    return None


PAN_AND_SCAN = dict(do_pan_and_scan=True, pan_and_scan_min_crop_size=24, pan_and_scan_max_num_crops=3,
                    pan_and_scan_min_ratio_to_activate=1.3)


class PanAndScan(Reference):
    """The processor's own defaults would switch the file's settings off."""

    @property
    def picture_options(self):
        settings = json.loads((self.folder / "preprocessor_config.json").read_text())
        return {key: settings[key] for key in PAN_AND_SCAN}


def spec(seed):
    tk, tokenizer_config = tokenizer(seed, ["<start_of_image>", "<end_of_image>", "<image_soft_token>"],
                                     (*FIRST, "<start_of_turn>", "<end_of_turn>"))
    i = tk.token_to_id
    config = dict(
        architectures=["Gemma3ForConditionalGeneration"], boi_token_index=i("<start_of_image>"), eoi_token_index=i("<end_of_image>"),
        eos_token_id=[1, i("<end_of_turn>")], image_token_index=i("<image_soft_token>"), initializer_range=0.02,
        mm_tokens_per_image=4, model_type="gemma3", torch_dtype="bfloat16",
        text_config=dict(
            hidden_size=48, intermediate_size=64, model_type="gemma3_text", num_hidden_layers=pick(seed, 4, 3),
            num_attention_heads=pick(seed, 4, 2), num_key_value_heads=pick(seed, 2, 1), head_dim=16,
            query_pre_attn_scalar=pick(seed, 12, 24), vocab_size=padded(tk), rope_scaling=dict(factor=8.0, rope_type="linear"),
            sliding_window=pick(seed, 12, 16), sliding_window_pattern=pick(seed, 3, 2)),
        vision_config=SIGLIP | dict(image_size=32, patch_size=8))
    preprocessor = dict(
        do_convert_rgb=None, do_normalize=True, do_rescale=True, do_resize=True, **UNEVEN, **PAN_AND_SCAN,
        image_processor_type="Gemma3ImageProcessor", image_seq_length=4, processor_class="Gemma3Processor", resample=2,
        rescale_factor=1 / 255, size=dict(height=32, width=32))
    markers = dict(boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>")
    tokenizer_config |= dict(processor_class="Gemma3Processor", **markers, extra_special_tokens=markers)
    generation = dict(bos_token_id=2, cache_implementation="hybrid", do_sample=True, eos_token_id=[1, i("<end_of_turn>")],
                      pad_token_id=0, top_k=64, top_p=0.95)
    return Spec("gemma3", config, tk, tokenizer_config, generation, TEMPLATE.replace("%IMAGE%", "<start_of_image>"), preprocessor,
                "<eos>", dict(image_seq_length=4, processor_class="Gemma3Processor"), rename=OLD_NAMES, picture=(92, 50),
                offset_norms=r"(language_model\..*norm|mm_soft_emb_norm)", scaled_embeddings=True, init=sharp_attention,
                reference=PanAndScan, mlx=[],
                other_settings=(dict(do_pan_and_scan=False), dict(pan_and_scan_min_crop_size=8, pan_and_scan_max_num_crops=5)))
