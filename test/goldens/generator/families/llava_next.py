"""LLaVA-NeXT: the image as a whole and in tiles of the best of several canvases, line breaks behind the rows of the larger picture,
of which what shows padding is cut off; Mistral's decoder and prompt."""
from families import llava_clip as clip
from spec import Spec, pick
from vocabularies import padded

CANVASES = [[32, 64], [64, 32], [64, 64], [96, 32], [32, 96]]
TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'system' %}<<SYS>>\n{{ m['content'] if m['content'] is string else m['content'][0]['text'] }}"
    "\n<</SYS>>\n\n{% elif m['role'] == 'user' %}[INST] {% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for p in m['content'] %}{% if p['type'] == 'image' %}<image>\n{% elif p['type'] == 'text' %}{{ p['text'] }}{% endif %}{% endfor %}"
    "{% endif %} [/INST]{% else %} {{ m['content'] if m['content'] is string else m['content'][0]['text'] }}</s> {% endif %}{% endfor %}")
NAMES = [(r"^model\.image_newline", "image_newline"), *clip.NAMES]


def spec(seed):
    tk, tokenizer_config = clip.tokenizer(seed, "LlavaNextProcessor")
    i = tk.token_to_id
    config = dict(
        architectures=["LlavaNextForConditionalGeneration"], ignore_index=-100, image_grid_pinpoints=CANVASES, image_seq_length=16,
        image_token_index=i("<image>"), model_type="llava_next", projector_hidden_act="gelu", tie_word_embeddings=False,
        torch_dtype="bfloat16", use_image_newline_parameter=True, vision_feature_layer=-2, vision_feature_select_strategy="default",
        vision_config=clip.vision(seed),
        text_config=dict(head_dim=16, hidden_act="silu", hidden_size=48, intermediate_size=64, max_position_embeddings=32768,
                         model_type="mistral", num_attention_heads=pick(seed, 4, 2), num_hidden_layers=2,
                         num_key_value_heads=pick(seed, 2, 1), rms_norm_eps=1e-5, rope_theta=1000000.0, sliding_window=None,
                         vocab_size=padded(tk)))
    preprocessor = clip.preprocessor("LlavaNext", do_pad=True, image_grid_pinpoints=CANVASES)
    return Spec("llava_next", config, tk, tokenizer_config, clip.GENERATION, TEMPLATE, preprocessor, "</s>",
                clip.processor("LlavaNextProcessor"), rename=NAMES, extends=False,
                other_settings=(dict(image_grid_pinpoints=[[64, 64], [128, 32]]),))
