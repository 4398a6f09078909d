"""The checkpoint's configuration, in the words of a qwen3_vl `config.json`."""

VOCABULARY = 2048
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
           "<|image_pad|>", "<|video_pad|>"]
TOKEN = {name: VOCABULARY - len(SPECIAL) + i for i, name in enumerate(SPECIAL)}

VISION = dict(
    model_type="qwen3_vl", depth=6, hidden_size=256, intermediate_size=768, num_heads=4, in_channels=3,
    patch_size=16, temporal_patch_size=2, spatial_merge_size=2, num_position_embeddings=1024,
    out_hidden_size=256, deepstack_visual_indexes=[3], hidden_act="gelu_pytorch_tanh", initializer_range=0.02)

TEXT = dict(
    model_type="qwen3_vl_text", vocab_size=VOCABULARY, hidden_size=256, intermediate_size=768,
    num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2, head_dim=64, hidden_act="silu",
    max_position_embeddings=16384, rms_norm_eps=1e-6, rope_theta=10000.0,
    rope_scaling=dict(mrope_interleaved=True, mrope_section=[12, 10, 10], rope_type="default"),
    attention_bias=False, attention_dropout=0.0, initializer_range=0.02, use_cache=True, tie_word_embeddings=True,
    bos_token_id=TOKEN["<|endoftext|>"], eos_token_id=TOKEN["<|im_end|>"])

CONFIG = dict(
    architectures=["Qwen3VLForConditionalGeneration"], model_type="qwen3_vl",
    image_token_id=TOKEN["<|image_pad|>"], video_token_id=TOKEN["<|video_pad|>"],
    vision_start_token_id=TOKEN["<|vision_start|>"], vision_end_token_id=TOKEN["<|vision_end|>"],
    tie_word_embeddings=True, text_config=TEXT, vision_config=VISION)
