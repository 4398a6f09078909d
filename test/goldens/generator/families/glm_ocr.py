"""GLM-OCR: hub names; rotary pairs side by side in sections for time, row and column, four norms a layer, q and k norms in the
tower, limits that count both frames; a layer for predicting more tokens that nobody reads. Its template writes an empty
thought into the history that the prompt before did not have."""
import torch
from spec import CLIP, Spec, pick
from vocabularies import LLAMA3, byte_bpe, padded

SPECIALS = ["<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>", "<|assistant|>",
            "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>", "<|image|>", "<|video|>"]
PLAIN = ("<think>", "</think>", "<tool_call>", "</tool_call>", "/nothink")
_PARTS = ("{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for p in m['content'] %}{% if p['type'] == 'image' %}"
          "<|begin_of_image|><|image|><|end_of_image|>{% elif p['type'] == 'text' %}{{ p['text'] }}{% endif %}{% endfor %}{% endif %}")
TEMPLATE = (
    "[gMASK]<sop>{% set silent = enable_thinking is defined and not enable_thinking %}{% for m in messages %}"
    "<|{{ m['role'] }}|>\n{% if m['role'] == 'assistant' %}<think></think>\n{% endif %}" + _PARTS +
    "{% if m['role'] == 'user' and silent %}/nothink{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>\n"
    "{% if silent %}<think></think>\n{% endif %}{% endif %}")


def prediction_layer(tensors):
    """The hub's file has one layer more than the model, its seventeenth; the reference leaves it out by that number."""
    width = tensors["model.language_model.norm.weight"].shape[0]
    generator = torch.Generator().manual_seed(16)
    extra = {f"model.language_model.layers.16.{name}.weight": torch.randn(shape, generator=generator)
             for name, shape in (("eh_proj", (width, 2 * width)), ("enorm", (width,)), ("input_layernorm", (width,)))}
    return tensors | extra


def markers(tk):
    i = tk.token_to_id
    return dict(image_start_token_id=i("<|begin_of_image|>"), image_end_token_id=i("<|end_of_image|>"),
                video_start_token_id=i("<|begin_of_video|>"), video_end_token_id=i("<|end_of_video|>"), image_token_id=i("<|image|>"),
                video_token_id=i("<|video|>"))


def tokenizer(seed):
    return byte_bpe(40 + seed % 7, last=SPECIALS, pattern=LLAMA3, plain=PLAIN), dict(
        tokenizer_class="TokenizersBackend", processor_class="Glm46VProcessor", clean_up_tokenization_spaces=False, eos_token="<|endoftext|>",
        pad_token="<|endoftext|>", extra_special_tokens=SPECIALS, model_max_length=655380, padding_side="left", backend="tokenizers")


PREPROCESSOR = dict(
    size=dict(shortest_edge=2 * 256 * 4, longest_edge=2 * 256 * 14), do_rescale=True, patch_size=8, temporal_patch_size=2,
    merge_size=2, **CLIP, image_processor_type="Glm46VImageProcessor", processor_class="Glm46VProcessor")
OTHER = dict(size=dict(shortest_edge=2 * 256, longest_edge=2 * 256 * 6))


def spec(seed):
    tk, tokenizer_config = tokenizer(seed)
    ends = [tk.token_to_id("<|endoftext|>"), tk.token_to_id("<|user|>")]
    text = dict(
        model_type="glm_ocr_text", pad_token_id=ends[0], vocab_size=padded(tk), eos_token_id=ends, attention_bias=False,
        attention_dropout=0.0, head_dim=16, hidden_act="silu", hidden_size=48, initializer_range=0.02, intermediate_size=64,
        max_position_embeddings=131072, num_attention_heads=pick(seed, 2, 4), num_hidden_layers=3, num_nextn_predict_layers=1,
        num_key_value_heads=pick(seed, 1, 2), rms_norm_eps=1e-5, dtype="bfloat16", tie_word_embeddings=False, use_cache=True,
        rope_parameters=dict(rope_type="default", mrope_section=pick(seed, [1, 2, 1], [2, 3, 3]),
                             partial_rotary_factor=pick(seed, 0.5, 1.0), rope_theta=10000))
    vision = dict(
        model_type="glm_ocr_vision", hidden_size=32, depth=2, num_heads=2, attention_bias=True, intermediate_size=48, hidden_act="silu",
        hidden_dropout_prob=0.0, initializer_range=0.02, image_size=336, patch_size=8, out_hidden_size=48, rms_norm_eps=1e-5,
        spatial_merge_size=2, temporal_patch_size=2)
    config = dict(
        architectures=["GlmOcrForConditionalGeneration"], model_type="glm_ocr", text_config=text, vision_config=vision,
        **markers(tk), tie_word_embeddings=False)
    return Spec("glm_ocr", config, tk, tokenizer_config, dict(do_sample=False, eos_token_id=ends, pad_token_id=ends[0]), TEMPLATE,
                PREPROCESSOR, "<|endoftext|>", stored=prediction_layer, extends=False, other_settings=(OTHER,))
