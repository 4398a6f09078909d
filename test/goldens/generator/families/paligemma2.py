"""PaliGemma 2: a Gemma 2 decoder behind the same tower: norms after each sublayer, capped scores, a window on every other
layer. The reference leaves Gemma 2's cap on logits out of PaliGemma 2; it is off here so that there is one answer."""
from dataclasses import replace

from families import gemma3, paligemma
from spec import pick


def spec(seed):
    text = dict(model_type="gemma2", num_key_value_heads=2, query_pre_attn_scalar=pick(seed, 24, 48), sliding_window=4096,
                attn_logit_softcapping=20.0, final_logit_softcapping=0.0, hidden_activation="gelu_pytorch_tanh", num_hidden_layers=3)
    return replace(paligemma.spec(seed, text=text), sigma=8.0, init=gemma3.sharp_attention)
