"""LLaVA 1.5: old hub names, sparse text_config of Llama's class, a CLIP tower of which the last block and norm are not read; a
template that leaves the first token to the tokenizer and puts images before the text."""
from families.paligemma import OLD_NAMES
from spec import CLIP, Spec, pick
from vocabularies import padded, prefixed_bpe

NAMES = [(r"^model\.vision_tower\.", "vision_tower.vision_model."), *OLD_NAMES]
FIRST = ("<unk>", "<s>", "</s>")
_TEXTS = "{% for p in m['content'] if p['type'] == 'text' %}{{ p['text'] }} {% endfor %}"
TEMPLATE = (
    "{% for m in messages %}{% if m['role'] != 'system' %}{{ m['role'].upper() }}: {% endif %}{% if m['content'] is string %}"
    "{{ m['content'] }} {% else %}{% for p in m['content'] if p['type'] == 'image' %}<image>\n{% endfor %}" + _TEXTS +
    "{% endif %}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}")


def tokenizer(seed, processor):
    return prefixed_bpe(60 + seed % 5, FIRST, ["<image>", "<pad>"], "<s>"), dict(
        tokenizer_class="LlamaTokenizer", processor_class=processor, add_bos_token=True, add_eos_token=False, bos_token="<s>",
        eos_token="</s>", unk_token="<unk>", pad_token="<pad>", clean_up_tokenization_spaces=False, legacy=False, padding_side="left")


def vision(seed):
    return dict(hidden_size=32, image_size=32, intermediate_size=48, model_type="clip_vision_model", num_attention_heads=2,
                num_hidden_layers=pick(seed, 4, 3), patch_size=8, projection_dim=16, vocab_size=100)


def preprocessor(kind, **more):
    return dict(
        crop_size=dict(height=32, width=32), do_center_crop=True, do_convert_rgb=True, do_normalize=True, do_rescale=True, do_resize=True,
        **CLIP, image_processor_type=f"{kind}ImageProcessor", resample=3, rescale_factor=1 / 255, size=dict(shortest_edge=32), **more)


def processor(name):
    return dict(image_token="<image>", num_additional_image_tokens=1, patch_size=8, processor_class=name,
                vision_feature_select_strategy="default")


GENERATION = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0)


def spec(seed):
    tk, tokenizer_config = tokenizer(seed, "LlavaProcessor")
    i = tk.token_to_id
    config = dict(
        architectures=["LlavaForConditionalGeneration"], ignore_index=-100, image_seq_length=16, image_token_index=i("<image>"),
        model_type="llava", pad_token_id=i("<pad>"), projector_hidden_act="gelu", tie_word_embeddings=False, torch_dtype="bfloat16",
        vision_feature_layer=-2, vision_feature_select_strategy="default", vision_config=vision(seed),
        text_config=dict(max_position_embeddings=4096, model_type="llama", rms_norm_eps=1e-5, vocab_size=padded(tk), hidden_size=48,
                         intermediate_size=64, num_attention_heads=pick(seed, 4, 3), num_hidden_layers=2))
    return Spec("llava_clip", config, tk, tokenizer_config, GENERATION, TEMPLATE, preprocessor("CLIP"), "</s>",
                processor("LlavaProcessor"), rename=NAMES, extends=False)
