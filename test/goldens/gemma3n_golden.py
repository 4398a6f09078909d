"""Golden folders of Gemma 3n, made by the golden generator's own method: `gemma3n` and its MLX sibling `gemma3n-4bit`.

python test/goldens/gemma3n_golden.py --generator DIR --out DIR [--seed N]

DIR of --generator holds make_goldens.py and goldenlib.py; timm must be installed. The vision tower is timm's own
MobileNetV5Encoder class with fewer and narrower blocks of every kind that mobilenetv5_300m_enc has, registered under a
name of its own: its width cannot be configured. Images are 192×192, 16 tokens each. The audio tower is there, tiny, and
is ignored by whoever reads the checkpoint.
"""
import argparse
import re
import sys
from functools import partial
from pathlib import Path

SIDE, RESOLUTION, WIDTH, SOFT = 192, 4, 64, 16
STAGES = [
    ["er_r1_k3_s2_e4_c16", "er_r1_k3_s1_e4_c16"],
    ["uir_r1_a3_k5_s2_e6_c16", "uir_r1_a5_k0_s1_e4_c16", "uir_r1_a3_k0_s1_e4_c16"],
    ["uir_r1_a5_k5_s2_e6_c24", "uir_r1_a5_k0_s1_e4_c24", "uir_r1_a0_k0_s1_e1_c24", "mqa_r1_k3_h2_v2_s1_d16_c24", "uir_r1_a0_k0_s1_e2_c24"],
    ["uir_r1_a5_k5_s2_e6_c32", "mqa_r1_k3_h3_s1_d16_c32", "uir_r1_a0_k0_s1_e2_c32"],
]


def register_tower():
    from timm.models import mobilenetv5 as m
    from timm.models import register_model

    def mobilenetv5_tiny_enc(pretrained=False, **_):
        tower = m.MobileNetV5Encoder(
            block_args=m.decode_arch_def(STAGES), stem_size=16, fix_stem=True, pad_type="same", msfa_output_resolution=RESOLUTION,
            norm_layer=m.RmsNorm2d, act_layer=m._GELU, round_chs_fn=partial(m.round_channels, multiplier=1.0), layer_scale_init_value=1e-5)
        tower.num_features = tower.head_hidden_size = WIDTH
        tower.msfa = m.MobileNetV5MultiScaleFusionAdapter(
            in_chs=tower.msfa_in_chs, out_chs=WIDTH, output_resolution=RESOLUTION, norm_layer=m.RmsNorm2d, act_layer=m._GELU)
        return tower

    mobilenetv5_tiny_enc.__module__ = m.__name__
    register_model(mobilenetv5_tiny_enc)


def special_init(gen):
    """Routers strong enough to matter, attention neither flat nor one-hot, per-layer embeddings as large as what they are added to."""

    def init(name, p, g):
        r = gen.torch.randn(p.shape, generator=g)
        if re.search(r"self_attn\.[qk]_norm\.weight", name):
            return 0.6 + 0.1 * r
        if name.endswith("modality_router.weight"):
            return r * 6
        if re.search(r"(prediction|correction)_coefs\.weight", name):
            return r * 0.12
        if name.endswith("embed_tokens_per_layer.weight"):
            return r * 0.25
        return None

    return init


def gemma3n(gen, seed):
    vision_tokens = ["<end_of_image>", "<image_soft_token>", "<image_reserved>"]
    audio_tokens = ["<end_of_audio>", "<audio_soft_token>", "<audio_reserved>"]
    first = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<start_of_audio>")
    tk, tcfg = gen.gemma_tokenizer(seed, vision_tokens + audio_tokens, first)
    i = tk.token_to_id
    text = i(vision_tokens[0])
    assert i(audio_tokens[0]) == text + 3 and tk.get_vocab_size() == text + 6
    kinds = gen.pick(seed, ["sliding_attention", "full_attention"] * 4, ["sliding_attention", "sliding_attention", "full_attention"] * 3)[: gen.pick(seed, 7, 8)]
    layers = len(kinds)
    config = dict(
        architectures=["Gemma3nForConditionalGeneration"], model_type="gemma3n", torch_dtype="bfloat16", eos_token_id=[1, i("<end_of_turn>")], initializer_range=0.02,
        boi_token_id=i("<start_of_image>"), eoi_token_id=text, image_token_id=text + 1, boa_token_id=i("<start_of_audio>"), eoa_token_id=text + 3, audio_token_id=text + 4,
        vision_soft_tokens_per_image=SOFT, audio_soft_tokens_per_image=4,
        text_config=dict(
            model_type="gemma3n_text", hidden_size=64, intermediate_size=[128 if k % 3 else 96 for k in range(layers)], num_hidden_layers=layers, layer_types=kinds,
            num_attention_heads=gen.pick(seed, 4, 2), num_key_value_heads=gen.pick(seed, 2, 1), head_dim=32, vocab_size=text + 6, vocab_size_per_layer_input=text,
            hidden_size_per_layer_input=16, laurel_rank=8, altup_num_inputs=4, altup_active_idx=0, altup_coef_clip=120.0, altup_correct_scale=True,
            num_kv_shared_layers=3, sliding_window=gen.pick(seed, 20, 24), rope_theta=1000000.0, rope_local_base_freq=10000.0, rope_scaling=None,
            activation_sparsity_pattern=[0.9, 0.5] + [0.0] * (layers - 2), final_logit_softcapping=30.0, hidden_activation="gelu_pytorch_tanh",
            rms_norm_eps=1e-6, max_position_embeddings=32768, tie_word_embeddings=True),
        vision_config=dict(model_type="gemma3n_vision", architecture="mobilenetv5_tiny_enc", do_pooling=False, hidden_size=WIDTH, vocab_size=3, vocab_offset=text, rms_norm_eps=1e-6),
        audio_config=dict(model_type="gemma3n_audio", hidden_size=32, input_feat_size=16, conf_num_attention_heads=2, conf_num_hidden_layers=1, conf_attention_chunk_size=4,
                          conf_attention_context_left=3, sscp_conv_channel_size=[8, 4], vocab_size=3, vocab_offset=text + 3))
    pre = dict(do_convert_rgb=None, do_normalize=False, do_rescale=True, do_resize=True, **gen.HALF, image_processor_type="SiglipImageProcessorFast", image_seq_length=SOFT,
               feature_extractor_type="Gemma3nAudioFeatureExtractor", processor_class="Gemma3nProcessor", resample=2, rescale_factor=1 / 255, size=dict(height=SIDE, width=SIDE))
    markers = dict(boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>", boa_token="<start_of_audio>", eoa_token="<end_of_audio>", audio_token="<audio_soft_token>")
    tcfg |= dict(processor_class="Gemma3nProcessor", **markers, extra_special_tokens=markers)
    generation = dict(bos_token_id=2, cache_implementation="hybrid", do_sample=True, eos_token_id=[1, i("<end_of_turn>")], pad_token_id=0, top_k=64, top_p=0.95)
    return gen.Spec(
        "gemma3n", config, tk, tcfg, generation, gen.GEMMA_TEMPLATE.replace("%IMAGE%", "<image_soft_token>"), pre,
        dict(processor_class="Gemma3nProcessor", image_seq_length=SOFT, audio_seq_length=4), "<eos>", [], embed_scaled=True, special_init=special_init(gen),
        sigma=8.0, note="hub names; end-of-image is a hard token of the vision vocabulary; last three layers share keys and values; window smaller than the prompts; final soft cap")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=20)
    args = parser.parse_args()
    sys.path.insert(0, str(args.generator))
    import goldenlib
    import make_goldens as gen

    register_tower()
    towers = ("vision_tower", "audio_tower", "embed_vision", "embed_audio")
    gen.TO_MLX["gemma3n"] = [(rf"^model\.{t}\.", f"{t}.") for t in towers] + [(r"^model\.language_model\.", "language_model.model.")]
    goldenlib.MLX_RULES["gemma3n"] = [(rf"^{t}\.", f"model.{t}.") for t in towers] + [(r"^language_model\.model\.", "model.language_model.")]
    gen.MLX_STYLE["gemma3n"] = "gemma3n"
    gen.RECIPES["gemma3n"] = (4, 64, gen.torch.bfloat16, {r".*layers\.[02]\.mlp\.down_proj": dict(bits=8, group_size=32)})
    gen.torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    spec = gemma3n(gen, args.seed)
    model = gen.make_family(spec, args.out, args.seed)
    gen.make_mlx_sibling(spec, model, args.out, args.seed)


if __name__ == "__main__":
    main()
