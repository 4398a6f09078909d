"""Gemma 3n: hub names; the last layers share keys and values, the end of an image is a hard token of the vision vocabulary,
a window smaller than the prompts, logits capped.

The tower is timm's own MobileNetV5Encoder with fewer and narrower blocks of every kind that mobilenetv5_300m_enc has, under
a name of its own: its widths cannot be configured. The audio tower is there, tiny, and no reader of images reads it.
"""
import re
from functools import partial

import torch
from families.gemma3 import TEMPLATE
from families.paligemma import FIRST, tokenizer
from reference import Reference
from spec import HALF, Spec, pick
from timm.models import mobilenetv5, register_model

SIDE, RESOLUTION, WIDTH, SOFT = 96, 2, 24, 4
STAGES = [
    ["er_r1_k3_s2_e2_c8", "er_r1_k3_s1_e2_c8"],
    ["uir_r1_a3_k5_s2_e3_c8", "uir_r1_a5_k0_s1_e2_c8", "uir_r1_a3_k0_s1_e2_c8"],
    ["uir_r1_a5_k5_s2_e3_c16", "uir_r1_a0_k0_s1_e1_c16", "mqa_r1_k3_h2_v2_s1_d8_c16", "uir_r1_a0_k0_s1_e2_c16"],
    ["uir_r1_a5_k5_s2_e3_c16", "mqa_r1_k3_h3_s1_d8_c16", "uir_r1_a0_k0_s1_e2_c16"],
]
VISION = ["<end_of_image>", "<image_soft_token>", "<image_reserved>"]
AUDIO = ["<end_of_audio>", "<audio_soft_token>", "<audio_reserved>"]
MLX = [(rf"^model\.{tower}\.", f"{tower}.") for tower in ("vision_tower", "audio_tower", "embed_vision", "embed_audio")]
MLX += [(r"^model\.language_model\.", "language_model.model.")]


def mobilenetv5_tiny_enc(pretrained=False, **_):
    tower = mobilenetv5.MobileNetV5Encoder(
        block_args=mobilenetv5.decode_arch_def(STAGES), stem_size=8, fix_stem=True, pad_type="same",
        msfa_output_resolution=RESOLUTION, norm_layer=mobilenetv5.RmsNorm2d, act_layer=mobilenetv5._GELU,
        round_chs_fn=partial(mobilenetv5.round_channels, multiplier=1.0), layer_scale_init_value=1e-5)
    tower.num_features = tower.head_hidden_size = WIDTH
    tower.msfa = mobilenetv5.MobileNetV5MultiScaleFusionAdapter(
        in_chs=tower.msfa_in_chs, out_chs=WIDTH, output_resolution=RESOLUTION, norm_layer=mobilenetv5.RmsNorm2d,
        act_layer=mobilenetv5._GELU)
    return tower


mobilenetv5_tiny_enc.__module__ = mobilenetv5.__name__
register_model(mobilenetv5_tiny_enc)


def weights(name, parameter, generator):
    """Routers strong enough to matter, attention neither even nor single-minded, per-layer embeddings as large as what they
    are added to."""
    r = torch.randn(parameter.shape, generator=generator)
    if re.search(r"self_attn\.[qk]_norm\.weight", name):
        return 0.6 + 0.1 * r
    if name.endswith("modality_router.weight"):
        return r * 6
    if re.search(r"(prediction|correction)_coefs\.weight", name):
        return r * 0.12
    if name.endswith("embed_tokens_per_layer.weight"):
        return r * 0.25
    return None


def text(seed, vocabulary):
    kinds = pick(seed, ["sliding_attention", "full_attention"] * 3, ["sliding_attention", "sliding_attention", "full_attention"] * 2)
    return dict(
        model_type="gemma3n_text", hidden_size=32, intermediate_size=[64 if k % 3 else 96 for k in range(6)], num_hidden_layers=6,
        layer_types=kinds, num_attention_heads=pick(seed, 2, 4), num_key_value_heads=pick(seed, 1, 2), head_dim=16,
        vocab_size=vocabulary + 6, vocab_size_per_layer_input=vocabulary, hidden_size_per_layer_input=8, laurel_rank=8,
        altup_num_inputs=3, altup_active_idx=pick(seed, 1, 0), altup_coef_clip=120.0, altup_correct_scale=True,
        num_kv_shared_layers=pick(seed, 2, 2), sliding_window=pick(seed, 12, 16), rope_theta=1000000.0, rope_local_base_freq=10000.0,
        rope_scaling=None, activation_sparsity_pattern=[0.9, 0.5, 0.0, 0.0, 0.0, 0.0], final_logit_softcapping=30.0,
        hidden_activation="gelu_pytorch_tanh", rms_norm_eps=1e-6, max_position_embeddings=32768, tie_word_embeddings=True)


def spec(seed):
    first = (*FIRST, "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<start_of_audio>")
    tk, tokenizer_config = tokenizer(seed, VISION + AUDIO, first)
    i = tk.token_to_id
    start = i(VISION[0])
    end = [1, i("<end_of_turn>")]
    config = dict(
        architectures=["Gemma3nForConditionalGeneration"], model_type="gemma3n", torch_dtype="bfloat16", eos_token_id=end,
        initializer_range=0.02, boi_token_id=i("<start_of_image>"), eoi_token_id=start, image_token_id=start + 1,
        boa_token_id=i("<start_of_audio>"), eoa_token_id=start + 3, audio_token_id=start + 4, vision_soft_tokens_per_image=SOFT,
        audio_soft_tokens_per_image=4, text_config=text(seed, start),
        vision_config=dict(model_type="gemma3n_vision", architecture="mobilenetv5_tiny_enc", do_pooling=False, hidden_size=WIDTH,
                           vocab_size=3, vocab_offset=start, rms_norm_eps=1e-6),
        audio_config=dict(model_type="gemma3n_audio", hidden_size=16, input_feat_size=16, conf_num_attention_heads=2,
                          conf_num_hidden_layers=1, conf_attention_chunk_size=4, conf_attention_context_left=3,
                          sscp_conv_channel_size=[8, 4], vocab_size=3, vocab_offset=start + 3))
    preprocessor = dict(
        do_convert_rgb=None, do_normalize=False, do_rescale=True, do_resize=True, **HALF, resample=2, rescale_factor=1 / 255,
        image_processor_type="SiglipImageProcessorFast", image_seq_length=SOFT, processor_class="Gemma3nProcessor",
        feature_extractor_type="Gemma3nAudioFeatureExtractor", size=dict(height=SIDE, width=SIDE))
    markers = dict(boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>",
                   boa_token="<start_of_audio>", eoa_token="<end_of_audio>", audio_token="<audio_soft_token>")
    tokenizer_config |= dict(processor_class="Gemma3nProcessor", **markers, extra_special_tokens=markers)
    generation = dict(bos_token_id=2, cache_implementation="hybrid", do_sample=True, eos_token_id=end, pad_token_id=0, top_k=64, top_p=0.95)
    return Spec("gemma3n", config, tk, tokenizer_config, generation, TEMPLATE.replace("%IMAGE%", "<image_soft_token>"), preprocessor,
                "<eos>", dict(processor_class="Gemma3nProcessor", image_seq_length=SOFT, audio_seq_length=4), scaled_embeddings=True,
                init=weights, sigma=8.0, mlx=MLX,
                quantized=(4, 32, torch.bfloat16, {r".*layers\.[02]\.mlp\.down_proj": dict(bits=8, group_size=32)}))
