"""Qwen2-VL: old hub names (visual.*, model.*), flat text keys, rope_scaling of type mrope."""
from spec import CLIP, Spec, chatml, pick
from vocabularies import QWEN, byte_bpe, padded

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
            "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
            "<|image_pad|>", "<|video_pad|>"]
IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
DEFAULT_SYSTEM = ("{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant."
                  "<|im_end|>\n{% endif %}")
OLD_NAMES = [(r"^model\.visual\.", "visual."), (r"^model\.language_model\.", "model.")]
MLX = [(r"^(model\.)?visual\.", "vision_tower."), (r"^model\.language_model\.|^model\.", "language_model.model."),
       (r"^lm_head", "language_model.lm_head")]


def tokenizer(seed, pattern=QWEN):
    plain = ("<tool_call>", "</tool_call>", "<think>", "</think>")
    found = byte_bpe(40 + seed % 7, last=SPECIALS, pattern=pattern, nfc=True, plain=plain)
    return found, dict(
        tokenizer_class="Qwen2Tokenizer", add_bos_token=False, add_prefix_space=False, bos_token=None, eos_token="<|im_end|>",
        pad_token="<|endoftext|>", unk_token=None, errors="replace", clean_up_tokenization_spaces=False,
        split_special_tokens=False, model_max_length=32768, additional_special_tokens=SPECIALS[1:])


def ids(tk):
    names = dict(bos_token_id="<|endoftext|>", eos_token_id="<|im_end|>", vision_start_token_id="<|vision_start|>",
                 vision_end_token_id="<|vision_end|>", image_token_id="<|image_pad|>", video_token_id="<|video_pad|>")
    return {key: tk.token_to_id(token) for key, token in names.items()}


def generation(tk):
    end, pad = tk.token_to_id("<|im_end|>"), tk.token_to_id("<|endoftext|>")
    return dict(bos_token_id=pad, pad_token_id=pad, eos_token_id=[end, pad], do_sample=True, temperature=0.01, top_k=1, top_p=0.001)


def text(seed, tk):
    """The flat text keys that Qwen2-VL and Qwen2.5-VL have in common."""
    return dict(
        attention_dropout=0.0, hidden_act="silu", hidden_size=32, initializer_range=0.02, intermediate_size=64,
        max_position_embeddings=32768, max_window_layers=3, num_hidden_layers=3, rms_norm_eps=1e-6, rope_theta=1000000.0,
        sliding_window=32768, torch_dtype="bfloat16", use_cache=True, use_sliding_window=False, vocab_size=padded(tk),
        rope_scaling=dict(type="mrope", mrope_section=[2, 3, 3]), **ids(tk))


def spec(seed):
    tk, tokenizer_config = tokenizer(seed)
    config = dict(
        architectures=["Qwen2VLForConditionalGeneration"], model_type="qwen2_vl", **text(seed, tk), num_attention_heads=2,
        num_key_value_heads=1, tie_word_embeddings=pick(seed, False, True),
        vision_config=dict(depth=pick(seed, 3, 2), embed_dim=32, mlp_ratio=3, num_heads=2, in_chans=3, hidden_size=32, patch_size=6,
                           spatial_merge_size=2, spatial_patch_size=6, temporal_patch_size=2))
    preprocessor = dict(min_pixels=144 * 4, max_pixels=144 * 16, patch_size=6, temporal_patch_size=2, merge_size=2,
                        image_processor_type="Qwen2VLImageProcessor", processor_class="Qwen2VLProcessor", **CLIP)
    return Spec("qwen2_vl", config, tk, tokenizer_config | dict(processor_class="Qwen2VLProcessor"), generation(tk),
                chatml(IMAGE, DEFAULT_SYSTEM, video=VIDEO), preprocessor, "<|endoftext|>", rename=OLD_NAMES, mlx=MLX, timeline=True,
                other_settings=(dict(min_pixels=144 * 40, max_pixels=144 * 50),))
