"""Qwen2.5-VL: old hub names, flat keys; windows of 2x2 merged cells and blocks that see everything."""
import torch
from families import qwen2_vl as qwen
from spec import CLIP, Spec, chatml, pick


def spec(seed):
    tk, tokenizer_config = qwen.tokenizer(seed)
    config = dict(
        architectures=["Qwen2_5_VLForConditionalGeneration"], model_type="qwen2_5_vl", **qwen.text(seed, tk), num_attention_heads=2,
        num_key_value_heads=2, tie_word_embeddings=pick(seed, True, False),
        vision_config=dict(depth=3, hidden_act="silu", hidden_size=24, intermediate_size=pick(seed, 60, 44), num_heads=3, in_chans=3,
                           out_hidden_size=32, patch_size=6, spatial_merge_size=2, spatial_patch_size=6, temporal_patch_size=2,
                           window_size=pick(seed, 36, 24), fullatt_block_indexes=pick(seed, [2], [1]), tokens_per_second=2))
    preprocessor = dict(min_pixels=144 * 4, max_pixels=144 * 20, patch_size=6, temporal_patch_size=2, merge_size=2,
                        image_processor_type="Qwen2VLImageProcessor", processor_class="Qwen2_5_VLProcessor", **CLIP)
    return Spec("qwen2_5_vl", config, tk, tokenizer_config | dict(processor_class="Qwen2_5_VLProcessor"), qwen.generation(tk),
                chatml(qwen.IMAGE, qwen.DEFAULT_SYSTEM, video=qwen.VIDEO), preprocessor, "<|endoftext|>",
                rename=qwen.OLD_NAMES, mlx=qwen.MLX, timeline=True,
                quantized=(4, 32, torch.float16, {r".*layers\.1\.mlp\.down_proj": dict(bits=8, group_size=64),
                                                  r".*layers\.2\.self_attn\.o_proj": False}))
