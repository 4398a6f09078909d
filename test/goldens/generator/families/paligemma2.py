"""PaliGemma 2: a Gemma 2 decoder behind the same tower: norms after each sublayer, capped scores, a window on every other
layer. The reference leaves Gemma 2's cap on logits out of PaliGemma 2; it is off here so that there is one answer. Nor do
implementations agree whether a window cuts a prompt whose tokens all see each other: here it begins behind the prompt."""
from dataclasses import replace

from cases import QUESTIONS
from families import gemma3, paligemma
from spec import pick


def spec(seed):
    plain = paligemma.spec(seed)
    prompt = plain.config["text_config"]["num_image_tokens"] + len(plain.tokenizer.encode(f"{QUESTIONS[0]}\n").ids)
    text = dict(model_type="gemma2", num_key_value_heads=2, query_pre_attn_scalar=pick(seed, 24, 48), sliding_window=prompt + 1,
                attn_logit_softcapping=20.0, final_logit_softcapping=0.0, hidden_activation="gelu_pytorch_tanh", num_hidden_layers=3)
    return replace(paligemma.spec(seed, text=text), sigma=8.0, init=gemma3.sharp_attention,
                   cases=("same-prompt-a", "same-prompt-b"))
