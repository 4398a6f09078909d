"""DeepSeek-OCR 2: views of the real numbers of patches (queries are counted by them), everything else as small as it goes."""
import re

import torch
from reference import Reference
from spec import HALF, Spec, pick
from vocabularies import byte_bpe, padded

SPECIALS = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>", "<image>", "<|ref|>", "<|/ref|>", "<|det|>",
            "<|/det|>", "<|grounding|>"]
SPLIT = (r"\p{N}{1,3}|[一-龥぀-ゟ゠-ヿ]+|[^\r\n\p{L}\p{P}\p{S}\p{N}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEMPLATE = ("{{ bos_token }}{% for m in messages %}{% for p in m['content'] %}{% if p['type'] == 'image' %}{{ '<image>\n' }}"
            "{% elif p['type'] == 'text' %}{{ p['text'] }}{% endif %}{% endfor %}{% endfor %}")


class DeepSeekReference(Reference):
    """Tiles are counted apart from the whole view."""

    def layout(self, inputs, pictures):
        return dict(num_local_patches=inputs["num_local_patches"].tolist()) if "num_local_patches" in inputs else {}


def init(name, parameter, generator):
    r = torch.randn(parameter.shape, generator=generator)
    if "rel_pos" in name:
        return r * 0.3
    if name.endswith("pos_embed") or "query_" in name:
        return r * 0.5
    if name.endswith("mlp.gate.weight"):
        return r * 2.5 / parameter.shape[-1] ** 0.5
    if re.search(r"language_model\..*self_attn\.[qk]_proj\.weight", name):  # of hundreds of image tokens some must count
        return r * 2.0 / parameter.shape[-1] ** 0.5
    return None


def spec(seed):
    tk = byte_bpe(40 + seed % 5, first=SPECIALS, pattern=SPLIT)
    patch = pick(seed, 3, 2)
    text = dict(
        model_type="deepseek_ocr2_text", attention_bias=False, attention_dropout=0.0, bos_token_id=0, eos_token_id=1,
        hidden_act="silu", hidden_size=32, intermediate_size=48, max_position_embeddings=8192, mlp_bias=False,
        mlp_layer_types=["dense", "sparse"], moe_intermediate_size=24, n_group=1, n_routed_experts=pick(seed, 6, 5),
        n_shared_experts=2, num_attention_heads=2, num_experts_per_tok=pick(seed, 3, 2), num_hidden_layers=2,
        num_key_value_heads=2, rms_norm_eps=1e-6, rope_parameters=dict(rope_theta=10000.0, rope_type="default"),
        routed_scaling_factor=1.0, topk_group=1, topk_method="greedy", vocab_size=padded(tk))
    sam = dict(
        model_type="deepseek_ocr2_sam_vision_model", hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        image_size=64 * patch, patch_size=patch, output_channels=8, downsample_channels=[12, 16],
        global_attn_indexes=[1], window_size=14, hidden_act="gelu", layer_norm_eps=1e-6, mlp_ratio=2.0, qkv_bias=True,
        use_abs_pos=True, use_rel_pos=True, num_channels=3)
    encoder = dict(
        model_type="deepseek_ocr2_encoder", hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, rms_norm_eps=1e-6, hidden_act="silu", max_position_embeddings=131072,
        rope_parameters=dict(rope_theta=1000000.0, rope_type="default"), use_sliding_window=False, vocab_size=32)
    config = dict(
        architectures=["DeepseekOcr2ForConditionalGeneration"], model_type="deepseek_ocr2", dtype="bfloat16",
        image_token_id=tk.token_to_id("<image>"), tie_word_embeddings=False, text_config=text,
        vision_config=dict(model_type="deepseek_ocr2_vision", sam_config=sam, encoder_config=encoder))
    preprocessor = dict(
        image_processor_type="DeepseekOcr2ImageProcessor", processor_class="DeepseekOcr2Processor",
        background_color=[127, 127, 127], crop_to_patches=True, do_convert_rgb=True, do_normalize=True, do_rescale=True,
        do_resize=True, **HALF, max_patches=pick(seed, 6, 4), min_patches=2, resample=3, rescale_factor=1 / 255,
        size=dict(height=64 * patch, width=64 * patch), tile_size=48 * patch)
    tokenizer_config = dict(
        tokenizer_class="LlamaTokenizerFast", processor_class="DeepseekOcr2Processor", bos_token=SPECIALS[0],
        eos_token=SPECIALS[1], pad_token=SPECIALS[2], add_bos_token=True, add_eos_token=False,
        clean_up_tokenization_spaces=False)
    processor = dict(processor_class="DeepseekOcr2Processor", patch_size=patch, downsample_ratio=4)
    generation = dict(bos_token_id=0, eos_token_id=1, pad_token_id=2)
    return Spec("deepseek_ocr2", config, tk, tokenizer_config, generation, TEMPLATE, preprocessor, SPECIALS[1], processor,
                init=init, hub_format=True, system=False, text_only=False, turns=False, pixels=False, picture=(115, 70),
                reference=DeepSeekReference, cases=("one-image",))
