"""Qwen3.5 with experts and one that all rows share; the same processor and attention."""
from dataclasses import replace

from families import qwen2_vl as qwen
from families import qwen3_5
from spec import chatml, pick


def spec(seed):
    mlp = dict(moe_intermediate_size=24, num_experts=pick(seed, 6, 4), num_experts_per_tok=2, shared_expert_intermediate_size=40)
    sparse = qwen3_5.spec(seed, "qwen3_5_moe", "Qwen3_5Moe", mlp, layers=2)
    del sparse.config["text_config"]["layer_types"]  # then the interval says it
    sparse.config["text_config"]["full_attention_interval"] = 2
    return replace(sparse, template=chatml(qwen.IMAGE), extends=True, timeline=False, video=None)
