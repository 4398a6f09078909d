"""InternVL: tiles and a thumbnail through InternViT, 2 x 2 patches to a token; Qwen2 behind it, or Qwen3 and the large tower."""
from families import qwen2_vl as qwen
from spec import Spec, chatml, pick
from vocabularies import QWEN, byte_bpe, padded

IMAGENET = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
SPECIALS = [*qwen.SPECIALS, "<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>", "<video>"]
OLD_NAMES = [(r"^model\.language_model\.", "language_model.model."), (r"^model\.(vision_tower|multi_modal_projector)\.", r"\1."),
             (r"^lm_head", "language_model.lm_head")]


def tokenizer(seed):
    _, config = qwen.tokenizer(seed)
    config |= dict(processor_class="InternVLProcessor", start_image_token="<img>", end_image_token="</img>",
                   context_image_token="<IMG_CONTEXT>", video_token="<video>", additional_special_tokens=SPECIALS[1:])
    return byte_bpe(40 + seed % 7, last=SPECIALS, pattern=QWEN, nfc=True), config


def text(large, tk):
    shared = dict(attention_dropout=0.0, hidden_act="silu", hidden_size=32, initializer_range=0.02, intermediate_size=64,
                  max_position_embeddings=32768, num_attention_heads=2, num_hidden_layers=2, num_key_value_heads=1,
                  rms_norm_eps=1e-6, rope_theta=1000000.0, tie_word_embeddings=False, use_cache=True, vocab_size=padded(tk))
    if large:
        return shared | dict(model_type="qwen3", attention_bias=False, head_dim=24, rope_scaling=None)
    return shared | dict(model_type="qwen2", rope_scaling=dict(factor=2.0, rope_type="dynamic", type="dynamic"))


def spec(seed, large=False):
    tk, tokenizer_config = tokenizer(seed)
    size = pick(seed, 24, 36)
    tokens = (size // 12) ** 2
    config = dict(
        architectures=["InternVLForConditionalGeneration"], model_type="internvl", downsample_ratio=0.5, image_seq_length=tokens,
        image_token_id=tk.token_to_id("<IMG_CONTEXT>"), projector_hidden_act="gelu", tie_word_embeddings=False,
        torch_dtype="bfloat16", vision_feature_layer=-1, vision_feature_select_strategy="default", text_config=text(large, tk),
        vision_config=dict(
            attention_bias=not large, attention_dropout=0.0, hidden_act="gelu", hidden_dropout_prob=0.0, hidden_size=32,
            image_size=[size, size], initializer_factor=0.1, intermediate_size=48, layer_norm_eps=1e-6,
            layer_scale_init_value=0.1, model_type="internvl_vision", norm_type="rms_norm" if large else "layer_norm",
            num_attention_heads=2, num_channels=3, num_hidden_layers=2, patch_size=[6, 6], projection_dropout=0.0,
            use_absolute_position_embeddings=True, use_mask_token=False, use_mean_pooling=True, use_qk_norm=large))
    preprocessor = dict(
        crop_size=None, crop_to_patches=False, default_to_square=True, do_center_crop=None, do_convert_rgb=True, do_normalize=True,
        do_rescale=True, do_resize=True, **IMAGENET, image_processor_type="GotOcr2ImageProcessorFast", max_patches=pick(seed, 6, 4),
        min_patches=1, processor_class="InternVLProcessor", resample=3, rescale_factor=1 / 255, size=dict(height=size, width=size))
    return Spec("internvl", config, tk, tokenizer_config, qwen.generation(tk), chatml("<IMG_CONTEXT>\n"), preprocessor,
                "<|endoftext|>", dict(image_seq_length=tokens, processor_class="InternVLProcessor"), rename=OLD_NAMES,
                other_settings=(dict(max_patches=12, min_patches=2),), cases=("text-only", "one-image"))
