"""Gemma 4 as 26B-A4B: experts beside the MLP, values that are the keys before their norm, images as blocks in sliding layers with
a window shorter than an image, a standardized tower; the prompt ends in an empty thought."""
from families import gemma4
from spec import pick


def spec(seed):
    return gemma4.build(
        seed, "gemma4_moe", pick(seed, "SFSF", "SSFSF"), gemma4.vision(standardize=True), intermediate_size=32, num_attention_heads=4,
        num_key_value_heads=2, num_global_key_value_heads=pick(seed, 2, 1), head_dim=16, global_head_dim=32, attention_k_eq_v=True,
        enable_moe_block=True, num_experts=pick(seed, 4, 6), top_k_experts=2, moe_intermediate_size=16,
        use_bidirectional_attention="vision", sliding_window=pick(seed, 20, 24), max_position_embeddings=262144)
