"""LightOnOCR: Pixtral's tower and merger before a tied Qwen3; sides of odd numbers of patches, whose last one is dropped."""
from families import llava, qwen2_vl as qwen
from spec import CLIP, Spec, chatml, pick
from vocabularies import padded

MLX = [(r"^model\.vision_encoder\.", "vision_tower.vision_model."), (r"^model\.vision_projection\.", "multi_modal_projector."),
       (r"^model\.language_model\.", "language_model.model."), (r"^lm_head", "language_model.lm_head")]


def spec(seed):
    tk, tokenizer_config = qwen.tokenizer(seed)
    ids = qwen.ids(tk)
    size = pick(seed, 54, 66)
    config = dict(
        architectures=["LightOnOcrForConditionalGeneration"], model_type="lighton_ocr", dtype="bfloat16", spatial_merge_size=2,
        image_token_id=ids["image_token_id"], eos_token_id=ids["eos_token_id"], pad_token_id=ids["bos_token_id"],
        tie_word_embeddings=True, vision_config=llava.vision(size, 6),
        text_config=dict(
            attention_bias=False, attention_dropout=0.0, head_dim=24, hidden_act="silu", hidden_size=32, initializer_range=0.02,
            intermediate_size=64, max_position_embeddings=16384, max_window_layers=28, model_type="qwen3",
            num_attention_heads=pick(seed, 4, 2), num_hidden_layers=2, num_key_value_heads=pick(seed, 2, 1), rms_norm_eps=1e-6,
            rope_scaling=None, rope_theta=1000000, sliding_window=None, tie_word_embeddings=True, use_cache=True,
            use_sliding_window=False, vocab_size=padded(tk)))
    pictures = dict(do_convert_rgb=True, do_normalize=True, do_rescale=True, do_resize=True, **CLIP,
                    image_processor_type="PixtralImageProcessorFast", patch_size=dict(height=6, width=6), resample=3,
                    rescale_factor=1 / 255, size=dict(longest_edge=size))
    processor = dict(image_processor=pictures, patch_size=6, processor_class="LightOnOcrProcessor", spatial_merge_size=2)
    tokenizer_config |= dict(processor_class="LightOnOcrProcessor", image_token="<|image_pad|>",
                             image_break_token="<|vision_pad|>", image_end_token="<|vision_end|>")
    return Spec("lighton_ocr", config, tk, tokenizer_config, qwen.generation(tk),
                chatml("<|image_pad|>"), None, "<|endoftext|>", processor, least_side=12, sigma=16.0, cases=("text-only", "one-image"), mlx=MLX)
