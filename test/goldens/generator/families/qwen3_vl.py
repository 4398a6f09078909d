"""Qwen3-VL: hub names, nested text_config, two shards; DeepStack taps, interleaved M-RoPE, q and k norms."""
from families import qwen2_vl as qwen
from spec import UNEVEN, Spec, chatml, pick
from vocabularies import padded

PREPROCESSOR = dict(size=dict(longest_edge=256 * 14, shortest_edge=256 * 4), patch_size=8, temporal_patch_size=2, merge_size=2,
                    image_processor_type="Qwen2VLImageProcessorFast", processor_class="Qwen3VLProcessor", **UNEVEN)

# Limits of all frames of a timeline together: five count as four, so these are seen as large as they are.
VIDEO = dict(size=dict(longest_edge=256 * 50, shortest_edge=256 * 8), patch_size=8, temporal_patch_size=2, merge_size=2,
             video_processor_type="Qwen3VLVideoProcessor", image_mean=[0.45, 0.5, 0.48], image_std=[0.31, 0.27, 0.5])


def markers(tk):
    ids = qwen.ids(tk)
    return {k: ids[k] for k in ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")}


def vision(model_type, taps, depth):
    return dict(model_type=model_type, depth=depth, deepstack_visual_indexes=taps, hidden_act="gelu_pytorch_tanh", hidden_size=24,
                in_channels=3, initializer_range=0.02, intermediate_size=40, num_heads=2, num_position_embeddings=25,
                out_hidden_size=32, patch_size=8, spatial_merge_size=2, temporal_patch_size=2)


def spec(seed):
    tk, tokenizer_config = qwen.tokenizer(seed)
    tied, ids = pick(seed, False, True), qwen.ids(tk)
    config = dict(
        architectures=["Qwen3VLForConditionalGeneration"], model_type="qwen3_vl", tie_word_embeddings=tied, **markers(tk),
        text_config=dict(
            model_type="qwen3_vl_text", attention_bias=False, attention_dropout=0.0, bos_token_id=ids["bos_token_id"],
            dtype="bfloat16", eos_token_id=ids["eos_token_id"], head_dim=16, hidden_act="silu", hidden_size=32,
            initializer_range=0.02, intermediate_size=64, max_position_embeddings=262144, num_attention_heads=pick(seed, 2, 4),
            num_hidden_layers=3, num_key_value_heads=pick(seed, 1, 2), rms_norm_eps=1e-6, rope_theta=5000000,
            rope_scaling=dict(mrope_interleaved=True, mrope_section=[3, 3, 2], rope_type="default"), tie_word_embeddings=tied,
            use_cache=True, vocab_size=padded(tk)),
        vision_config=vision("qwen3_vl", pick(seed, [0, 2], [1, 0]), pick(seed, 4, 3)))
    generation = qwen.generation(tk) | dict(temperature=0.7, top_k=20, top_p=0.8)
    return Spec("qwen3_vl", config, tk, tokenizer_config | dict(processor_class="Qwen3VLProcessor", model_max_length=262144),
                generation, chatml(qwen.IMAGE, video=qwen.VIDEO), PREPROCESSOR, "<|endoftext|>", shards=2, mlx=qwen.MLX,
                timeline=True, video=VIDEO)
