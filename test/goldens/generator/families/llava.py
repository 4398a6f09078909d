"""LLaVA with a Pixtral tower (Pixtral 12B): old hub names, no merger, a projector with biases."""
from families.paligemma import OLD_NAMES
from spec import CLIP, Spec, pick
from vocabularies import TEKKEN, byte_bpe, padded

SPECIALS = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
            "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]",
            "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% set c = m['content'] %}{% if m['role'] == 'system' %}[SYSTEM_PROMPT]"
    "{{ c if c is string else c[0]['text'] }}[/SYSTEM_PROMPT]{% elif m['role'] == 'user' %}[INST]{% if c is string %}{{ c }}"
    "{% else %}{% for p in c %}{% if p['type'] == 'image' %}[IMG]{% elif p['type'] == 'text' %}{{ p['text'] }}{% endif %}"
    "{% endfor %}{% endif %}[/INST]{% else %}{{ c if c is string else c[0]['text'] }}{{ eos_token }}{% endif %}{% endfor %}")
GENERATION = dict(bos_token_id=1, eos_token_id=2, pad_token_id=11)


def tokenizer(seed):
    return byte_bpe(40 + seed % 5, SPECIALS, pattern=TEKKEN, begin="<s>"), dict(
        tokenizer_class="PreTrainedTokenizerFast", processor_class="PixtralProcessor", bos_token="<s>", eos_token="</s>",
        unk_token="<unk>", pad_token="<pad>", add_bos_token=True, add_eos_token=False, clean_up_tokenization_spaces=False,
        model_max_length=131072)


def vision(size, patch):
    return dict(attention_dropout=0.0, head_dim=16, hidden_act="silu", hidden_size=32, image_size=size, initializer_range=0.02,
                intermediate_size=48, model_type="pixtral", num_attention_heads=2, num_channels=3, num_hidden_layers=2,
                patch_size=patch, rope_theta=10000.0)


def text(seed, vocabulary, **more):
    return dict(
        attention_dropout=0.0, head_dim=16, hidden_act="silu", hidden_size=32, initializer_range=0.02, intermediate_size=64,
        max_position_embeddings=131072, model_type="mistral", num_attention_heads=pick(seed, 4, 2), num_hidden_layers=2,
        num_key_value_heads=pick(seed, 2, 1), rms_norm_eps=1e-5, sliding_window=None, use_cache=True, vocab_size=vocabulary, **more)


def spec(seed):
    tk, tokenizer_config = tokenizer(seed)
    size = pick(seed, 56, 64)
    config = dict(
        architectures=["LlavaForConditionalGeneration"], ignore_index=-100, image_seq_length=1, image_token_index=10,
        model_type="llava", projector_hidden_act="gelu", tie_word_embeddings=False, torch_dtype="bfloat16",
        text_config=text(seed, padded(tk), rope_theta=1000000000.0, is_composition=True), vision_config=vision(size, 8),
        vision_feature_layer=-1, vision_feature_select_strategy="full")
    preprocessor = dict(
        do_convert_rgb=True, do_normalize=True, do_rescale=True, do_resize=True, **CLIP, image_processor_type="PixtralImageProcessor",
        patch_size=dict(height=8, width=8), processor_class="PixtralProcessor", resample=3, rescale_factor=1 / 255,
        size=dict(longest_edge=size))
    processor = dict(image_break_token="[IMG_BREAK]", image_end_token="[IMG_END]", image_token="[IMG]", patch_size=8,
                     processor_class="PixtralProcessor")
    return Spec("llava", config, tk, tokenizer_config, GENERATION, TEMPLATE, preprocessor, "</s>", processor, rename=OLD_NAMES,
                least_side=2, other_settings=(dict(size=dict(longest_edge=100)),),
                mlx=[(r"^vision_tower\.", "vision_tower.vision_model.")])
