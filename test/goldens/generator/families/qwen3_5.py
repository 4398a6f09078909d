"""Qwen3.5: layers of the gated delta rule, every fourth of gated attention; the generation prompt ends in an empty
thought that history drops, so that a second turn shares only a prefix with the first."""
import torch
from families import qwen2_vl as qwen
from families import qwen3_vl
from spec import Spec, chatml, pick
from vocabularies import QWEN3_5, padded

OFFSET_NORMS = r"language_model\.(norm|layers\.\d+\.(input_layernorm|post_attention_layernorm|self_attn\.[qk]_norm))"


def decays(name, parameter, generator):
    """Short and long memories."""
    if name.endswith("A_log"):
        return torch.log(torch.empty(parameter.shape).uniform_(0.05, 1.0, generator=generator))
    if name.endswith("dt_bias"):
        return torch.empty(parameter.shape).uniform_(-3.0, -1.0, generator=generator)
    return None


def text(seed, tk, kind, layers):
    return dict(
        model_type=f"{kind}_text", attention_bias=False, attn_output_gate=True, dtype="bfloat16",
        eos_token_id=tk.token_to_id("<|endoftext|>"), full_attention_interval=3, head_dim=32, hidden_act="silu", hidden_size=32,
        layer_types=["full_attention" if k % 3 == 1 else "linear_attention" for k in range(layers)], linear_conv_kernel_dim=4,
        linear_key_head_dim=8, linear_num_key_heads=2, linear_num_value_heads=pick(seed, 6, 4), linear_value_head_dim=16,
        max_position_embeddings=262144, mamba_ssm_dtype="float32", num_attention_heads=2, num_hidden_layers=layers,
        num_key_value_heads=1, rms_norm_eps=1e-6, tie_word_embeddings=False, use_cache=True, vocab_size=padded(tk),
        rope_parameters=dict(mrope_interleaved=True, mrope_section=[3, 3, 2], rope_type="default", rope_theta=10000000,
                             partial_rotary_factor=0.5))


def spec(seed, kind="qwen3_5", architecture="Qwen3_5", mlp=None, layers=3):
    tk, tokenizer_config = qwen.tokenizer(seed, QWEN3_5)
    config = dict(
        architectures=[f"{architecture}ForConditionalGeneration"], model_type=kind, tie_word_embeddings=False,
        **qwen3_vl.markers(tk), text_config=text(seed, tk, kind, layers) | (mlp or dict(intermediate_size=64)),
        vision_config=qwen3_vl.vision(kind, [], 2))
    generation = qwen.generation(tk) | dict(temperature=0.7, top_k=20, top_p=0.8)
    return Spec(kind, config, tk, tokenizer_config | dict(processor_class="Qwen3VLProcessor"), generation,
                chatml(qwen.IMAGE, answer="<think>\n\n</think>\n\n", video=qwen.VIDEO), qwen3_vl.PREPROCESSOR, "<|endoftext|>",
                timeline=True, video=qwen3_vl.VIDEO,
                offset_norms=OFFSET_NORMS, init=decays, extends=False, mlx=qwen.MLX, mlx_norms=OFFSET_NORMS)
