"""Kimi K2.5: hub names and layouts (fused interleaved wqkv, experts one by one); latent attention with YaRN, one dense layer
before sparse ones. The reference's image processor works on tensors only."""
import torch
from spec import UNEVEN, Spec, pick
from vocabularies import KIMI, byte_bpe, padded

SPECIALS = ["[BOS]", "[EOS]", "<|im_end|>", "<|im_user|>", "<|im_assistant|>", "<|start_header_id|>", "<|end_header_id|>", "[EOT]",
            "<|im_system|>", "<|im_middle|>", "%START%", "<|media_content|>", "<|media_end|>", "<|media_pad|>", "[UNK]", "[PAD]",
            "<|kimi_k25_video_placeholder|>"]
TEMPLATE = (
    "{% for m in messages %}{% set c = m['content'] %}<|im_{{ m['role'] }}|>{{ m['role'] }}<|im_middle|>{% if c is string %}{{ c }}"
    "{% else %}{% for p in c %}{% if p['type'] == 'image' %}%START%image<|media_content|><|media_pad|><|media_end|>"
    "{% elif p['type'] == 'text' %}{{ p['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_assistant|>assistant<|im_middle|>{% endif %}")
RENAME = [(r"^language_model\.model\.blocks\.", "language_model.model.layers."),
          (r"^vision_tower\.encoder\.patch_embed\.", "vision_tower.patch_embed."), (r"^model\.mm_projector\.", "mm_projector.")]
MLX = [(r"^vision_tower\.encoder\.", "vision_tower."), (r"(blocks\.\d+\.)(wqkv|wo)", r"\1attn.\2")]
YARN = dict(beta_fast=32.0, beta_slow=1.0, factor=8.0, mscale=1.0, mscale_all_dim=0.8, original_max_position_embeddings=4096,
            type="yarn")


def routing_bias(name, parameter, generator):
    if name.endswith("e_score_correction_bias"):
        return torch.randn(parameter.shape, generator=generator) * 0.3
    return None


def tokenizer(seed, start):
    found = byte_bpe(40 + seed % 5, last=[token.replace("%START%", start) for token in SPECIALS], pattern=KIMI)
    return found, dict(tokenizer_class="PreTrainedTokenizerFast", processor_class="Kimi_K25Processor", bos_token="[BOS]",
                       eos_token="[EOS]", pad_token="[PAD]", unk_token="[UNK]", clean_up_tokenization_spaces=False)


def text(seed, tk, **more):
    i = tk.token_to_id
    return dict(
        model_type="deepseek_v3", aux_loss_alpha=0.001, bos_token_id=i("[BOS]"), eos_token_id=i("[EOS]"), first_k_dense_replace=1,
        hidden_act="silu", hidden_size=32, intermediate_size=64, kv_lora_rank=16, q_lora_rank=pick(seed, 24, 16), qk_nope_head_dim=16,
        qk_rope_head_dim=16, v_head_dim=24, max_position_embeddings=262144, moe_intermediate_size=24, n_group=1, n_routed_experts=4,
        n_shared_experts=1, norm_topk_prob=True, num_attention_heads=2, num_experts_per_tok=2, num_hidden_layers=2,
        num_key_value_heads=2, rms_norm_eps=1e-5, rope_scaling=YARN, rope_theta=50000.0, routed_scaling_factor=1.8,
        scoring_func="sigmoid", tie_word_embeddings=False, topk_group=1, topk_method="noaux_tc", vocab_size=padded(tk)) | more


def vision():
    return dict(
        hidden_size=32, intermediate_size=48, num_attention_heads=2, num_hidden_layers=2, patch_size=6, pos_emb_height=5,
        pos_emb_width=5, pos_emb_time=4, merge_kernel_size=[2, 2], init_pos_emb_height=5, init_pos_emb_width=5, init_pos_emb_time=4,
        merge_type="sd2_tpool", mm_projector_type="patchmerger", pos_emb_type="divided_fixed", video_attn_type="spatial_temporal",
        projector_ln_eps=1e-5, mm_hidden_size=32, text_hidden_size=32, vt_hidden_size=32, vt_intermediate_size=48,
        vt_num_attention_heads=2, vt_num_hidden_layers=2)


def model_config(tk, text_config):
    i = tk.token_to_id
    return dict(
        architectures=["Kimi_K25ForConditionalGeneration"], model_type="kimi_k25", dtype="bfloat16",
        image_token_id=i("<|media_pad|>"), video_token_id=i("<|kimi_k25_video_placeholder|>"), vision_start_token_id=i("[UNK]") - 4,
        vision_end_token_id=i("<|media_end|>"), media_placeholder_token_id=i("<|media_pad|>"), projection_hidden_size=32,
        projection_layer_norm_eps=1e-5, tie_word_embeddings=False, text_config=text_config, vision_config=vision())


def spec(seed):
    tk, tokenizer_config = tokenizer(seed, "<|media_begin|>")
    i = tk.token_to_id
    media = dict(in_patch_limit=32, patch_size=6, merge_kernel_size=2, patch_limit_on_one_side=10, fixed_output_tokens=None,
                 temporal_merge_kernel_size=4, in_patch_limit_each_frame=32, **UNEVEN)
    preprocessor = dict(
        image_processor_type="Kimi_K25ImageProcessor", processor_class="Kimi_K25Processor", patch_size=6, merge_size=2,
        max_patches=32, size=dict(max_height=10, max_width=10), resample=3, do_rescale=True, do_normalize=True,
        do_convert_rgb=True, rescale_factor=1 / 255, **UNEVEN, media_proc_cfg=media)
    generation = dict(bos_token_id=i("[BOS]"), eos_token_id=[i("<|im_end|>"), i("[EOS]")], pad_token_id=i("[PAD]"))
    return Spec("kimi_k25", model_config(tk, text(seed, tk)), tk, tokenizer_config, generation,
                TEMPLATE.replace("%START%", "<|media_begin|>"), preprocessor, "[EOS]", rename=RENAME, hub_format=True,
                init=routing_bias, mlx=MLX,
                other_settings=(dict(in_patch_limit=100, max_patches=100),))
