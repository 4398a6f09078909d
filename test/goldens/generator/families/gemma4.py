"""Gemma 4 as E2B and E4B: hub names, processors nested in one file. An input per layer, last layers that share keys and values
and have an MLP twice as wide, two sizes of heads, clipped linears in the tower, images seen causally. The audio tower is
there, tiny, and no reader of images reads it."""
import re

import torch
from reference import Reference
from spec import Spec, pick
from vocabularies import padded, sentence_bpe

FIRST = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|tool_response>", "<|think|>", "<|channel>", "<channel|>", "<|turn>", "<turn|>")
LAST = ["<|image>", "<|audio>", "<|image|>", "<|audio|>", "<image|>", "<audio|>", "<|video|>"]
MARKERS = dict(boi_token="<|image>", eoi_token="<image|>", image_token="<|image|>", boa_token="<|audio>", eoa_token="<audio|>",
               audio_token="<|audio|>", sot_token="<|turn>", eot_token="<turn|>", soc_token="<|channel>", eoc_token="<channel|>",
               think_token="<|think|>", str_token="<|tool_response>")
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}<|turn>{{ role }}\n"
    "{% if m['content'] is string %}{{ m['content'] | trim }}{% else %}{% for p in m['content'] %}"
    "{% if p['type'] == 'image' %}<|image|>{% elif p['type'] == 'text' %}{{ p['text'] | trim }}{% endif %}{% endfor %}{% endif %}"
    "<turn|>\n{% endfor %}{% if add_generation_prompt %}<|turn>model\n%THOUGHT%{% endif %}")
THOUGHT = "{% if not enable_thinking | default(false) %}<|channel>thought\n<channel|>{% endif %}"
KINDS = dict(S="sliding_attention", F="full_attention")
PIXELS = dict(do_convert_rgb=True, do_normalize=False, do_rescale=True, do_resize=True, image_mean=[0.0] * 3, image_std=[1.0] * 3,
              resample=3, rescale_factor=1 / 255)
BUDGET = 70


class Gemma4(Reference):
    def layout(self, inputs, pictures):
        """Rows and columns of patches, without padding."""
        found = super().layout(inputs, pictures)
        if "image_position_ids" in inputs:
            found["patch_grids"] = [[int(p[:, 1].max()) + 1, int(p[:, 0].max()) + 1] for p in inputs["image_position_ids"]]
        return found


def weights(name, parameter, generator):
    """Attention neither even nor single-minded, bounds that clip, routers and per-layer embeddings strong enough to matter."""
    r = torch.randn(parameter.shape, generator=generator)
    bound = re.search(r"\.(input|output)_(min|max)$", name)
    if bound:
        size = ((1.3 if bound[1] == "input" else 1.8) + 0.3 * r.abs()) if "vision_tower" in name else 0 * r + 40
        return size if bound[2] == "max" else -size
    for pattern, centre, spread in (
            (r"self_attn\.[qk]_norm\.weight", 0.8, 0.1), ("layer_scalar", 0.8, 0.1), ("std_bias", 0, 2), ("std_scale", 0.2, 0.05),
            (r"router\.scale", 12, 2), ("per_expert_scale", 1, 0.3), ("embed_tokens_per_layer", 0, 0.15)):
        if re.search(pattern, name):
            return centre + spread * r
    return None


def text(vocabulary, layers, **more):
    return dict(
        attention_bias=False, attention_dropout=0.0, attention_k_eq_v=False, bos_token_id=2, dtype="bfloat16", enable_moe_block=False,
        eos_token_id=1, final_logit_softcapping=30.0, hidden_activation="gelu_pytorch_tanh", hidden_size=48,
        hidden_size_per_layer_input=0, initializer_range=0.02, layer_types=[KINDS[kind] for kind in layers],
        max_position_embeddings=131072, model_type="gemma4_text", num_global_key_value_heads=None, num_hidden_layers=len(layers),
        num_kv_shared_layers=0, pad_token_id=0, rms_norm_eps=1e-6, tie_word_embeddings=True, use_bidirectional_attention=None,
        use_cache=True, use_double_wide_mlp=False, vocab_size=vocabulary, vocab_size_per_layer_input=vocabulary,
        rope_parameters=dict(full_attention=dict(partial_rotary_factor=0.25, rope_theta=1000000.0, rope_type="proportional"),
                             sliding_attention=dict(rope_theta=10000.0, rope_type="default"))) | more


def vision(**more):
    return dict(
        attention_bias=False, attention_dropout=0.0, default_output_length=BUDGET, dtype="bfloat16", hidden_activation="gelu_pytorch_tanh",
        max_position_embeddings=131072, model_type="gemma4_vision", patch_size=2, pooling_kernel_size=3, position_embedding_size=216,
        rms_norm_eps=1e-6, rope_parameters=dict(rope_theta=100.0, rope_type="default"), standardize=False, use_clipped_linears=False,
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, head_dim=16,
        global_head_dim=16) | more


def tokenizer(seed):
    return sentence_bpe(40 + seed % 5, FIRST, LAST, begin=None), dict(
        tokenizer_class="GemmaTokenizer", add_bos_token=False, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>",
        mask_token="<mask>", clean_up_tokenization_spaces=False, padding_side="left", processor_class="Gemma4Processor", **MARKERS,
        extra_special_tokens=MARKERS)


def processor(kind, audio, **shape):
    pictures = PIXELS | shape | dict(image_processor_type=f"{kind}ImageProcessor", max_soft_tokens=BUDGET)
    videos = PIXELS | shape | dict(video_processor_type=f"{kind}VideoProcessor", max_soft_tokens=BUDGET, num_frames=32)
    sound = audio | dict(feature_extractor_type=f"{kind}AudioFeatureExtractor", padding_side="right", padding_value=0.0,
                         return_attention_mask=True, sampling_rate=16000)
    return dict(audio_ms_per_token=40, audio_seq_length=750, image_seq_length=BUDGET, processor_class=f"{kind}Processor",
                feature_extractor=sound, image_processor=pictures, video_processor=videos)


SOUND = dict(feature_size=128, fft_length=512, frame_length=320, hop_length=160, mel_floor=0.001, max_frequency=8000.0, min_frequency=0.0)
AUDIO = dict(model_type="gemma4_audio", hidden_size=16, num_hidden_layers=1, num_attention_heads=2, subsampling_conv_channels=[4, 2],
             output_proj_dims=16, conv_kernel_size=5, attention_chunk_size=12, attention_context_left=13, attention_context_right=0,
             attention_logit_cap=50.0, residual_weight=0.5, use_clipped_linears=True, rms_norm_eps=1e-6, hidden_act="silu")


def build(seed, name, layers, tower, audio=None, thought=True, model_type="gemma4", kind="Gemma4", processors=None, **decoder):
    tk, tokenizer_config = tokenizer(seed)
    i = tk.token_to_id
    ends = [1, i("<turn|>"), i("<|tool_response>")]
    config = dict(
        architectures=[f"{kind}ForConditionalGeneration"], model_type=model_type, dtype="bfloat16", initializer_range=0.02,
        tie_word_embeddings=True, vision_soft_tokens_per_image=280, eos_token_id=ends, image_token_id=i("<|image|>"),
        boi_token_id=i("<|image>"), eoi_token_id=i("<image|>"), audio_token_id=i("<|audio|>"), boa_token_id=i("<|audio>"),
        eoa_token_id=i("<audio|>"), eoa_token_index=i("<audio|>"), video_token_id=i("<|video|>"),
        text_config=text(padded(tk), layers, **decoder), vision_config=tower, audio_config=audio)
    generation = dict(bos_token_id=2, do_sample=True, eos_token_id=ends, pad_token_id=0, temperature=1.0, top_k=64, top_p=0.95)
    return Spec(name, config, tk, tokenizer_config | dict(processor_class=f"{kind}Processor"), generation,
                TEMPLATE.replace("%THOUGHT%", THOUGHT if thought else ""), None, "<eos>",
                processors or processor(kind, SOUND, patch_size=2, pooling_kernel_size=3), scaled_embeddings=True, init=weights,
                sigma=8.0, extends=not thought, reference=Gemma4, other_settings=(dict(max_soft_tokens=140),))


def spec(seed):
    return build(seed, "gemma4", pick(seed, "SSFSF", "SFSSF"), vision(use_clipped_linears=True), AUDIO, thought=False,
                 intermediate_size=32, num_attention_heads=pick(seed, 4, 2), num_key_value_heads=pick(seed, 2, 1), head_dim=16,
                 global_head_dim=32, hidden_size_per_layer_input=16, num_kv_shared_layers=2, use_double_wide_mlp=True,
                 sliding_window=pick(seed, 20, 24))
