"""Gemma 4 12B: no tower, pixels of a token are projected straight into the decoder; torch's resizing. A plain forward of the
reference sees images as blocks in every layer, `generate` only in sliding layers and inside the window: what is recorded is
what `generate` does."""
from families import gemma4
from spec import pick
from transformers.models.gemma4_unified import modeling_gemma4_unified as unified

_older = unified.create_masks_for_generate


def _as_generate(block_sequence_ids=None, **options):
    if block_sequence_ids is None:
        return _older(**options)
    return unified.create_masks_for_vision_model(block_sequence_ids=block_sequence_ids, **options)


unified.create_masks_for_generate = _as_generate


def spec(seed):
    side, patch, width = 3, 2, 32
    tower = dict(initializer_range=0.02, mm_embed_dim=width, mm_posemb_size=72, model_patch_size=side * patch,
                 model_type="gemma4_unified_vision", num_soft_tokens=gemma4.BUDGET, output_proj_dims=width, patch_size=patch,
                 pooling_kernel_size=side, rms_norm_eps=1e-6)
    audio = dict(audio_embed_dim=16, audio_samples_per_token=16, hidden_size=16, output_proj_dims=16, model_type="gemma4_unified_audio",
                 rms_norm_eps=1e-6)
    processors = gemma4.processor("Gemma4Unified", dict(audio_samples_per_token=16, feature_size=16), patch_size=patch,
                                  pooling_kernel_size=side)
    found = gemma4.build(
        seed, "gemma4_unified", pick(seed, "SFSF", "SSFSF"), tower, audio, model_type="gemma4_unified", kind="Gemma4Unified",
        processors=processors, intermediate_size=48, num_attention_heads=pick(seed, 4, 2), num_key_value_heads=2,
        num_global_key_value_heads=1, head_dim=16, global_head_dim=32, attention_k_eq_v=True, use_bidirectional_attention="vision",
        sliding_window=pick(seed, 80, 24), max_position_embeddings=262144)
    found.config["text_config"]["model_type"] = "gemma4_unified_text"
    found.hub_format = True
    return found
