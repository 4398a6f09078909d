"""Qwen3-VL with experts: a dense layer between sparse ones; the hub's files hold fused experts as [experts, in, out]."""
from dataclasses import replace

from families import qwen2_vl as qwen
from families import qwen3_vl
from spec import chatml, pick


def transposed_experts(tensors):
    """The reference saves [experts, out, in]."""
    return {k: v.transpose(1, 2).contiguous() if ".mlp.experts." in k else v for k, v in tensors.items()}


def spec(seed):
    dense = qwen3_vl.spec(seed)
    config = dense.config | dict(architectures=["Qwen3VLMoeForConditionalGeneration"], model_type="qwen3_vl_moe")
    config["vision_config"] = qwen3_vl.vision("qwen3_vl_moe", pick(seed, [1], [0, 1]), 2)
    config["text_config"] = config["text_config"] | dict(
        model_type="qwen3_vl_moe_text", num_experts=pick(seed, 4, 6), num_experts_per_tok=2, moe_intermediate_size=24,
        decoder_sparse_step=1, mlp_only_layers=[1], norm_topk_prob=True)
    return replace(dense, model_type="qwen3_vl_moe", config=config, shards=1, hub_format=True, stored=transposed_experts,
                   template=chatml(qwen.IMAGE), timeline=False, video=None)
