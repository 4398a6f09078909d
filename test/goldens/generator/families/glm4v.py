"""GLM-4.1V and GLM-4.6V-Flash: GLM-OCR's decoder with biases of q, k and v, which the class has and config.json does not say, of
whose heads a half turns; a tower with a learned table of positions, read bicubically, and a norm behind its patches."""
from families import glm_ocr
from spec import Spec, pick
from vocabularies import padded

# We ask it not to think; the reference is not told so here.
TEMPLATE = glm_ocr.TEMPLATE.replace("{% set silent = enable_thinking is defined and not enable_thinking %}", "{% set silent = false %}")


def spec(seed):
    tk, tokenizer_config = glm_ocr.tokenizer(seed)
    ends = [tk.token_to_id("<|endoftext|>"), tk.token_to_id("<|user|>")]
    text = dict(
        model_type="glm4v_text", pad_token_id=ends[0], vocab_size=padded(tk), eos_token_id=ends,
        attention_dropout=0.0, hidden_act="silu", hidden_size=32, initializer_range=0.02, intermediate_size=48,
        max_position_embeddings=65536, num_attention_heads=pick(seed, 4, 2), num_hidden_layers=2, num_key_value_heads=2,
        rms_norm_eps=1e-5, dtype="bfloat16", use_cache=True,
        rope_parameters=dict(rope_type="default", mrope_section=pick(seed, [0, 1, 1], [1, 1, 2]), partial_rotary_factor=0.5,
                             rope_theta=500000))
    vision = dict(
        model_type="glm4v_vision", hidden_size=24, depth=2, num_heads=2, attention_bias=False, intermediate_size=40, hidden_act="silu",
        hidden_dropout_prob=0.0, initializer_range=0.02, image_size=40, patch_size=8, out_hidden_size=32, rms_norm_eps=1e-5,
        spatial_merge_size=2, temporal_patch_size=2)
    config = dict(
        architectures=["Glm4vForConditionalGeneration"], model_type=pick(seed, "glm46v", "glm4v"), text_config=text, vision_config=vision,
        **glm_ocr.markers(tk), tie_word_embeddings=False)
    return Spec("glm4v", config, tk, tokenizer_config, dict(do_sample=False, eos_token_id=ends, pad_token_id=ends[0]), TEMPLATE,
                glm_ocr.PREPROCESSOR, "<|endoftext|>", extends=False, other_settings=(glm_ocr.OTHER,))
