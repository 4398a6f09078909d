"""LFM2-VL: hub names; layers of short convolutions and of attention, tiles and a thumbnail, a resized position table. The
reference's image processor works on tensors only."""
from spec import UNEVEN, Spec, chatml, pick
from vocabularies import LLAMA3, byte_bpe, padded

FIRST = ["<|pad|>", "<|startoftext|>", "<|endoftext|>", "<|fim_pre|>", "<|fim_mid|>", "<|fim_suf|>", "<|im_start|>", "<|im_end|>",
         "<|tool_list_start|>", "<|tool_list_end|>", "<image>", "<|image_start|>", "<|image_end|>", "<|img_thumbnail|>"]
GRID = [f"<|img_row_{row}_col_{column}|>" for row in range(1, 5) for column in range(1, 5) if row * column <= 4]
MLX = [(r"^model\.vision_tower\.vision_model\.", "vision_tower."), (r"^model\.multi_modal", "multi_modal"),
       (r"^model\.language_model\.", "language_model.model.")]


def spec(seed):
    tk = byte_bpe(40 + seed % 5, FIRST + GRID, pattern=LLAMA3, begin="<|startoftext|>")
    kinds = pick(seed, ["conv", "full_attention", "conv"], ["conv", "conv", "full_attention"])
    config = dict(
        architectures=["Lfm2VlForConditionalGeneration"], downsample_factor=2, image_token_id=tk.token_to_id("<image>"),
        model_type="lfm2_vl", projector_bias=True, projector_hidden_act="gelu", projector_hidden_size=40,
        projector_use_layernorm=pick(seed, False, True), dtype="bfloat16", tie_word_embeddings=True,
        text_config=dict(
            model_type="lfm2", hidden_size=32, block_auto_adjust_ff_dim=True, block_ff_dim=100, block_ffn_dim_multiplier=1.0,
            block_multiple_of=16, bos_token_id=1, conv_L_cache=3, conv_bias=False, eos_token_id=7,
            full_attn_idxs=[k for k, kind in enumerate(kinds) if kind != "conv"], layer_types=kinds, max_position_embeddings=128000,
            norm_eps=1e-5, num_attention_heads=4, num_hidden_layers=3, num_key_value_heads=2, pad_token_id=0, rope_theta=1000000.0,
            tie_embedding=True, use_cache=True, vocab_size=padded(tk)),
        vision_config=dict(model_type="siglip2_vision_model", attention_dropout=0.0, hidden_act="gelu_pytorch_tanh", hidden_size=32,
                           intermediate_size=56, layer_norm_eps=1e-6, num_attention_heads=2, num_channels=3, num_hidden_layers=2,
                           num_patches=25, patch_size=6, vision_use_head=False))
    preprocessor = dict(
        do_image_splitting=True, do_normalize=True, do_pad=True, do_rescale=True, do_resize=True, downsample_factor=2,
        encoder_patch_size=6, image_processor_type="Lfm2VlImageProcessorFast", **UNEVEN, max_image_tokens=9, max_num_patches=36,
        max_pixels_tolerance=2.0, max_tiles=4, min_image_tokens=4, min_tiles=2, processor_class="Lfm2VlProcessor", resample=2,
        rescale_factor=1 / 255, return_row_col_info=True, size=dict(height=36, width=36), tile_size=36, use_thumbnail=True)
    tokenizer_config = dict(
        tokenizer_class="PreTrainedTokenizerFast", processor_class="Lfm2VlProcessor", bos_token="<|startoftext|>",
        eos_token="<|im_end|>", pad_token="<|pad|>", add_bos_token=True, add_eos_token=False, clean_up_tokenization_spaces=False,
        image_token="<image>", image_start_token="<|image_start|>", image_end_token="<|image_end|>",
        image_thumbnail="<|img_thumbnail|>")
    return Spec("lfm2_vl", config, tk, tokenizer_config, dict(bos_token_id=1, eos_token_id=[7, 2], pad_token_id=0),
                "{{ bos_token }}" + chatml("<image>"), preprocessor, "<|endoftext|>", mlx=MLX, picture=(90, 52),
                other_settings=(dict(do_image_splitting=False, use_thumbnail=False), dict(use_thumbnail=False), dict(min_tiles=3, max_tiles=4),
                                dict(tile_size=42, max_num_patches=49)),
                rename=[(r"^model\.vision_tower\.(?=embeddings|encoder|post_layernorm)", "model.vision_tower.vision_model.")])
