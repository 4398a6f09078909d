// The largest common checkpoint of every family, as far as its sizes go: what its config.json and processor settings say
// in place of those of the family's golden checkpoint. Layers are few there and stay so: a layer costs what it costs.
// Numbers are those of the published files; a family whose larger models have a wider tower or decoder than the listed
// checkpoints is taken at those.

export interface Largest {
  /** Folder of test/goldens/checkpoints. */
  golden: string;
  name: string;
  config: Record<string, unknown>;
  imageProcessor?: Record<string, unknown>;
  processor?: Record<string, unknown>;
  /** Tensors from which a family reads sizes. */
  tensors?: Record<string, number[]>;
}

const decoder = (hidden_size: number, intermediate_size: number, heads: number, kvHeads: number, vocab_size: number): Record<string, unknown> => ({
  hidden_size,
  intermediate_size,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  vocab_size,
});
const tower = (hidden_size: number, intermediate_size: number, heads: number): Record<string, unknown> => ({
  hidden_size,
  intermediate_size,
  num_attention_heads: heads,
});
const SO400M = tower(1152, 4304, 16);
const CLIP_L = tower(1024, 4096, 16);
const QWEN2_72B = { ...decoder(8192, 29568, 64, 8, 152064), rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] } };
const QWEN_PICTURE = { patch_size: 14, min_pixels: 3136, max_pixels: 12_845_056 };
const QWEN3_TOWER = { hidden_size: 1152, intermediate_size: 4304, num_heads: 16, num_position_embeddings: 2304, patch_size: 16 };
const QWEN3_PICTURE = { patch_size: 16, size: { longest_edge: 16_777_216, shortest_edge: 65_536 } };
const QWEN3_ROPE = { mrope_interleaved: true, mrope_section: [24, 20, 20], rope_type: 'default' };
const QWEN35_ROPE = { mrope_interleaved: true, mrope_section: [11, 11, 10], rope_type: 'default', rope_theta: 1e7, partial_rotary_factor: 0.25 };
const DELTA = { head_dim: 256, linear_key_head_dim: 128, linear_value_head_dim: 128, linear_num_key_heads: 16 };
const GEMMA4_TOWER = { hidden_size: 1152, intermediate_size: 4304, num_attention_heads: 16, num_key_value_heads: 16, head_dim: 72, global_head_dim: 72, patch_size: 16, position_embedding_size: 10_240, default_output_length: 280 };
const GEMMA4_PICTURE = { patch_size: 16, pooling_kernel_size: 3, max_soft_tokens: 1120 };
const PIXTRAL = { ...CLIP_L, head_dim: 64, patch_size: 14, image_size: 1540 };
const PIXTRAL_PICTURE = { patch_size: 14, size: { longest_edge: 1540 } };
const MOON = { ...SO400M, patch_size: 14, pos_emb_height: 64, pos_emb_width: 64, init_pos_emb_height: 64, init_pos_emb_width: 64, mm_hidden_size: 1152, vt_hidden_size: 1152, vt_intermediate_size: 4304, vt_num_attention_heads: 16 };
const LATENT = { kv_lora_rank: 512, qk_nope_head_dim: 128, qk_rope_head_dim: 64, v_head_dim: 128, vocab_size: 163_840 };
const PINPOINTS = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]];
const MOBILE = Object.fromEntries(
  Object.entries({
    'conv_stem.conv': [64, 3, 3, 3],
    'blocks.0.0.conv_exp': [256, 64, 3, 3],
    'blocks.0.0.conv_pwl': [128, 256, 1, 1],
    'blocks.0.1.conv_exp': [512, 128, 3, 3],
    'blocks.0.1.conv_pwl': [128, 512, 1, 1],
    'blocks.1.0.pw_exp.conv': [768, 128, 1, 1],
    'blocks.1.0.pw_proj.conv': [256, 768, 1, 1],
    'blocks.1.1.pw_exp.conv': [1024, 256, 1, 1],
    'blocks.1.1.pw_proj.conv': [256, 1024, 1, 1],
    'blocks.1.2.pw_exp.conv': [1024, 256, 1, 1],
    'blocks.1.2.pw_proj.conv': [256, 1024, 1, 1],
    'blocks.2.0.pw_exp.conv': [1536, 256, 1, 1],
    'blocks.2.0.pw_proj.conv': [640, 1536, 1, 1],
    'blocks.2.1.pw_exp.conv': [2560, 640, 1, 1],
    'blocks.2.1.pw_proj.conv': [640, 2560, 1, 1],
    'blocks.2.2.attn.query.proj': [768, 640, 1, 1],
    'blocks.2.2.attn.key.proj': [64, 640, 1, 1],
    'blocks.2.2.attn.value.proj': [64, 640, 1, 1],
    'blocks.2.2.attn.output.proj': [640, 768, 1, 1],
    'blocks.2.3.pw_exp.conv': [1280, 640, 1, 1],
    'blocks.2.3.pw_proj.conv': [640, 1280, 1, 1],
    'blocks.3.0.pw_exp.conv': [3840, 640, 1, 1],
    'blocks.3.0.pw_proj.conv': [1280, 3840, 1, 1],
    'blocks.3.1.attn.query.proj': [1536, 1280, 1, 1],
    'blocks.3.1.attn.key.proj': [96, 1280, 1, 1],
    'blocks.3.1.attn.value.proj': [96, 1280, 1, 1],
    'blocks.3.1.attn.output.proj': [1280, 1536, 1, 1],
    'blocks.3.2.pw_exp.conv': [2560, 1280, 1, 1],
    'blocks.3.2.pw_proj.conv': [1280, 2560, 1, 1],
    'msfa.ffn.pw_exp.conv': [3840, 1920, 1, 1],
    'msfa.ffn.pw_proj.conv': [2048, 3840, 1, 1],
  }).map(([name, shape]) => [`model.vision_tower.timm_model.${name}.weight`, shape]),
);
const CLIP_SQUARE = { crop_size: { height: 336, width: 336 }, size: { shortest_edge: 336 } };

export const LARGEST: readonly Largest[] = [
  {
    golden: 'qwen2_vl',
    name: 'Qwen2-VL-72B',
    config: { ...QWEN2_72B, vision_config: { embed_dim: 1280, mlp_ratio: 4, num_heads: 16, hidden_size: 8192, patch_size: 14, spatial_patch_size: 14 } },
    imageProcessor: QWEN_PICTURE,
  },
  {
    golden: 'qwen2_5_vl',
    name: 'Qwen2.5-VL-72B',
    config: { ...QWEN2_72B, vision_config: { hidden_size: 1280, intermediate_size: 3456, num_heads: 16, out_hidden_size: 8192, patch_size: 14, spatial_patch_size: 14, window_size: 112 } },
    imageProcessor: QWEN_PICTURE,
  },
  {
    golden: 'qwen3_vl',
    name: 'Qwen3-VL-32B',
    config: { text_config: { ...decoder(5120, 25600, 64, 8, 151_936), head_dim: 128, rope_scaling: QWEN3_ROPE }, vision_config: { ...QWEN3_TOWER, out_hidden_size: 5120 } },
    imageProcessor: QWEN3_PICTURE,
  },
  {
    golden: 'qwen3_vl_moe',
    name: 'Qwen3-VL-235B-A22B',
    config: {
      text_config: { ...decoder(4096, 12288, 64, 4, 151_936), head_dim: 128, rope_scaling: QWEN3_ROPE, num_experts: 128, num_experts_per_tok: 8, moe_intermediate_size: 1536 },
      vision_config: { ...QWEN3_TOWER, out_hidden_size: 4096 },
    },
    imageProcessor: QWEN3_PICTURE,
  },
  {
    golden: 'qwen3_5',
    name: 'Qwen3.5-27B',
    config: { text_config: { ...decoder(5120, 17408, 24, 4, 248_320), ...DELTA, linear_num_value_heads: 48, rope_parameters: QWEN35_ROPE }, vision_config: { ...QWEN3_TOWER, out_hidden_size: 5120 } },
    imageProcessor: QWEN3_PICTURE,
  },
  {
    golden: 'qwen3_5_moe',
    name: 'Qwen3.5-35B-A3B',
    config: {
      text_config: {
        ...decoder(2048, 512, 16, 2, 248_320),
        ...DELTA,
        linear_num_value_heads: 32,
        rope_parameters: QWEN35_ROPE,
        num_experts: 256,
        num_experts_per_tok: 8,
        moe_intermediate_size: 512,
        shared_expert_intermediate_size: 512,
      },
      vision_config: { ...QWEN3_TOWER, out_hidden_size: 2048 },
    },
    imageProcessor: QWEN3_PICTURE,
  },
  {
    golden: 'minicpmv4_6',
    name: 'MiniCPM-V-4.6',
    config: {
      insert_layer_id: 1,
      text_config: { ...decoder(1024, 3584, 8, 2, 248_094), ...DELTA, linear_num_value_heads: 16, rope_parameters: { rope_theta: 1e7, partial_rotary_factor: 0.25, rope_type: 'default' } },
      vision_config: { ...SO400M, patch_size: 14, image_size: 980 },
    },
    imageProcessor: { patch_size: 14, max_slice_nums: 9, scale_resolution: 448 },
  },
  {
    golden: 'gemma3',
    name: 'gemma-3-27b-it',
    config: {
      mm_tokens_per_image: 256,
      text_config: { ...decoder(5376, 21504, 32, 16, 262_208), head_dim: 128, query_pre_attn_scalar: 168, sliding_window: 1024 },
      vision_config: { ...SO400M, image_size: 896, patch_size: 14 },
    },
    imageProcessor: { do_pan_and_scan: true, pan_and_scan_min_crop_size: 256, pan_and_scan_max_num_crops: 4, pan_and_scan_min_ratio_to_activate: 1.2, image_seq_length: 256, size: { height: 896, width: 896 } },
    processor: { image_seq_length: 256 },
  },
  {
    golden: 'gemma4',
    name: 'gemma-4-31B-it',
    config: {
      text_config: { ...decoder(5376, 21504, 32, 16, 262_144), vocab_size_per_layer_input: 262_144, head_dim: 256, global_head_dim: 512, sliding_window: 1024 },
      vision_config: GEMMA4_TOWER,
    },
    imageProcessor: GEMMA4_PICTURE,
  },
  {
    golden: 'gemma4_moe',
    name: 'gemma-4-26B-A4B-it',
    config: {
      text_config: {
        ...decoder(2816, 2112, 16, 8, 262_144),
        vocab_size_per_layer_input: 262_144,
        head_dim: 256,
        global_head_dim: 512,
        num_global_key_value_heads: 2,
        sliding_window: 1024,
        num_experts: 128,
        top_k_experts: 8,
        moe_intermediate_size: 704,
      },
      vision_config: GEMMA4_TOWER,
    },
    imageProcessor: GEMMA4_PICTURE,
  },
  {
    golden: 'gemma4_unified',
    name: 'gemma-4-12B-it',
    config: {
      text_config: { ...decoder(3840, 15360, 16, 8, 262_144), vocab_size_per_layer_input: 262_144, head_dim: 256, global_head_dim: 512, sliding_window: 1024 },
      vision_config: { mm_embed_dim: 3840, mm_posemb_size: 1120, model_patch_size: 48, output_proj_dims: 3840, patch_size: 16 },
    },
    imageProcessor: GEMMA4_PICTURE,
  },
  {
    golden: 'paligemma',
    name: 'paligemma-3b-mix-448, at 896',
    config: {
      hidden_size: 2048,
      projection_dim: 2048,
      text_config: { ...decoder(2048, 16384, 8, 1, 257_216), head_dim: 256, num_image_tokens: 4096 },
      vision_config: { ...SO400M, image_size: 896, patch_size: 14, num_image_tokens: 4096, projection_dim: 2048 },
    },
    imageProcessor: { image_seq_length: 4096, size: { height: 896, width: 896 } },
  },
  {
    golden: 'paligemma2',
    name: 'paligemma2-10b, at 896',
    config: {
      hidden_size: 3584,
      projection_dim: 3584,
      text_config: { ...decoder(3584, 14336, 16, 8, 257_216), head_dim: 256, num_image_tokens: 4096, query_pre_attn_scalar: 256, sliding_window: 4096 },
      vision_config: { ...SO400M, image_size: 896, patch_size: 14, num_image_tokens: 4096, projection_dim: 3584 },
    },
    imageProcessor: { image_seq_length: 4096, size: { height: 896, width: 896 } },
  },
  {
    golden: 'glm_ocr',
    name: 'GLM-OCR',
    config: {
      text_config: { ...decoder(1536, 4608, 16, 8, 59_392), head_dim: 128, rope_parameters: { rope_type: 'default', mrope_section: [16, 24, 24], partial_rotary_factor: 1, rope_theta: 10_000 } },
      vision_config: { hidden_size: 1024, intermediate_size: 4096, num_heads: 16, patch_size: 14, out_hidden_size: 1536 },
    },
    imageProcessor: { patch_size: 14, size: { shortest_edge: 12_544, longest_edge: 9_633_792 } },
  },
  {
    golden: 'glm4v',
    name: 'GLM-4.6V-Flash',
    config: {
      text_config: { ...decoder(4096, 13_696, 32, 2, 151_552), rope_parameters: { rope_type: 'default', mrope_section: [8, 12, 12], partial_rotary_factor: 0.5, rope_theta: 500_000 } },
      vision_config: { hidden_size: 1536, intermediate_size: 13_696, num_heads: 12, patch_size: 14, image_size: 336, out_hidden_size: 4096 },
    },
    imageProcessor: { patch_size: 14, size: { shortest_edge: 12_544, longest_edge: 9_633_792 } },
  },
  {
    golden: 'paddleocr_vl',
    name: 'PaddleOCR-VL',
    config: { ...decoder(1024, 3072, 16, 2, 103_424), head_dim: 128, rope_scaling: { mrope_section: [16, 24, 24], rope_type: 'default', type: 'default' }, vision_config: { ...SO400M, patch_size: 14, image_size: 384 } },
    imageProcessor: { patch_size: 14, min_pixels: 147_384, max_pixels: 2_822_400, size: { min_pixels: 147_384, max_pixels: 2_822_400 } },
  },
  {
    golden: 'kimi_vl',
    name: 'Kimi-VL-A3B',
    config: {
      projection_hidden_size: 1152,
      text_config: { ...decoder(2048, 11264, 16, 16, 163_840), ...LATENT, q_lora_rank: null, n_routed_experts: 64, num_experts_per_tok: 6, n_shared_experts: 2, moe_intermediate_size: 1408 },
      vision_config: { ...MOON, text_hidden_size: 2048 },
    },
    imageProcessor: { patch_size: 14, in_token_limit: 4096, num_pooled_tokens: 1024 },
  },
  {
    golden: 'kimi_k25',
    name: 'Kimi-K2.5',
    config: {
      projection_hidden_size: 1152,
      text_config: { ...decoder(7168, 18432, 64, 64, 163_840), ...LATENT, q_lora_rank: 1536, n_routed_experts: 384, num_experts_per_tok: 8, n_shared_experts: 1, moe_intermediate_size: 2048 },
      vision_config: { ...MOON, text_hidden_size: 7168 },
    },
    imageProcessor: { patch_size: 14, max_patches: 16_384, in_patch_limit: 16_384, patch_limit_on_one_side: 512, in_patch_limit_each_frame: 4096, size: { max_height: 512, max_width: 512 } },
  },
  {
    golden: 'locateanything',
    name: 'LocateAnything-3B',
    config: { text_config: { ...decoder(2048, 11_008, 16, 2, 152_681) }, vision_config: { ...SO400M, patch_size: 14, init_pos_emb_height: 64, init_pos_emb_width: 64 } },
    imageProcessor: { patch_size: 14, in_token_limit: 25_600 },
  },
  {
    golden: 'mistral3',
    name: 'Mistral-Small-3.1-24B',
    config: { text_config: { ...decoder(5120, 32768, 32, 8, 131_072), head_dim: 128 }, vision_config: PIXTRAL },
    imageProcessor: PIXTRAL_PICTURE,
    processor: { patch_size: 14 },
  },
  {
    golden: 'lighton_ocr',
    name: 'LightOnOCR-2-1B',
    config: { text_config: { ...decoder(1024, 3072, 16, 8, 151_936), head_dim: 128 }, vision_config: PIXTRAL },
    imageProcessor: { ...PIXTRAL_PICTURE, patch_size: { height: 14, width: 14 } },
    processor: { patch_size: 14 },
  },
  {
    golden: 'llava',
    name: 'pixtral-12b',
    config: { text_config: { ...decoder(5120, 14336, 32, 8, 131_072), head_dim: 128 }, vision_config: { ...PIXTRAL, patch_size: 16, image_size: 1024 } },
    imageProcessor: { patch_size: { height: 16, width: 16 }, size: { longest_edge: 1024 } },
    processor: { patch_size: 16 },
  },
  {
    golden: 'llava_clip',
    name: 'llava-1.5-13b-hf',
    config: { image_seq_length: 576, text_config: decoder(5120, 13824, 40, 40, 32_064), vision_config: { ...CLIP_L, image_size: 336, patch_size: 14 } },
    imageProcessor: CLIP_SQUARE,
    processor: { patch_size: 14 },
  },
  {
    golden: 'llava_next',
    name: 'llava-v1.6-34b-hf',
    config: { image_seq_length: 576, image_grid_pinpoints: PINPOINTS, text_config: { ...decoder(7168, 20480, 56, 8, 64_064), head_dim: 128 }, vision_config: { ...CLIP_L, image_size: 336, patch_size: 14 } },
    imageProcessor: { ...CLIP_SQUARE, image_grid_pinpoints: PINPOINTS },
    processor: { patch_size: 14 },
  },
  {
    golden: 'internvl',
    name: 'InternVL3-78B, every tile',
    config: { image_seq_length: 256, text_config: decoder(8192, 29568, 64, 8, 151_674), vision_config: { ...tower(3200, 12800, 25), image_size: [448, 448], patch_size: [14, 14] } },
    imageProcessor: { crop_to_patches: true, max_patches: 12, size: { height: 448, width: 448 } },
    processor: { image_seq_length: 256 },
  },
  {
    golden: 'internvl_qwen3',
    name: 'InternVL3_5-8B',
    config: { image_seq_length: 256, text_config: { ...decoder(4096, 12288, 32, 8, 151_936), head_dim: 128 }, vision_config: { ...CLIP_L, image_size: [448, 448], patch_size: [14, 14] } },
    imageProcessor: { crop_to_patches: true, max_patches: 12, size: { height: 448, width: 448 } },
    processor: { image_seq_length: 256 },
  },
  {
    golden: 'idefics3',
    name: 'Idefics3-8B-Llama3',
    config: { scale_factor: 2, text_config: { ...decoder(4096, 14336, 32, 8, 128_259), head_dim: 128 }, vision_config: { ...SO400M, image_size: 364, patch_size: 14 } },
    imageProcessor: { max_image_size: { longest_edge: 364 }, size: { longest_edge: 1456 } },
    processor: { image_seq_len: 169 },
  },
  {
    golden: 'smolvlm',
    name: 'SmolVLM2-500M-Instruct',
    config: { scale_factor: 4, text_config: { ...decoder(960, 2560, 15, 5, 49_280), head_dim: 64 }, vision_config: { ...tower(768, 3072, 12), image_size: 512, patch_size: 16 } },
    imageProcessor: { max_image_size: { longest_edge: 512 }, size: { longest_edge: 2048 } },
    processor: { image_seq_len: 64 },
  },
  {
    golden: 'lfm2_vl',
    name: 'LFM2-VL-1.6B',
    config: {
      projector_hidden_size: 2560,
      text_config: { hidden_size: 2048, num_attention_heads: 32, num_key_value_heads: 8, vocab_size: 65_536, block_ff_dim: 12_288, block_multiple_of: 256 },
      vision_config: { ...SO400M, num_patches: 256, patch_size: 16 },
    },
    imageProcessor: { encoder_patch_size: 16, max_image_tokens: 256, min_image_tokens: 64, max_num_patches: 1024, min_tiles: 2, max_tiles: 10, tile_size: 512, size: { height: 512, width: 512 } },
  },
  {
    golden: 'deepseek_ocr2',
    name: 'DeepSeek-OCR-2',
    config: {
      text_config: { ...decoder(1280, 6848, 10, 10, 129_280), moe_intermediate_size: 896, n_routed_experts: 64, num_experts_per_tok: 6 },
      vision_config: {
        sam_config: { hidden_size: 768, num_attention_heads: 12, image_size: 1024, patch_size: 16, output_channels: 256, downsample_channels: [512, 896], mlp_ratio: 4 },
        encoder_config: { hidden_size: 896, intermediate_size: 4864, num_attention_heads: 14, num_key_value_heads: 2 },
      },
    },
    imageProcessor: { max_patches: 6, size: { height: 1024, width: 1024 }, tile_size: 768 },
    processor: { patch_size: 16 },
    tensors: { 'model.sam_model.patch_embed.proj.weight': [768, 3, 16, 16], 'model.sam_model.net_3.weight': [896, 512, 3, 3] },
  },
  {
    golden: 'gemma3n',
    name: 'gemma-3n-E4B-it',
    config: {
      vision_soft_tokens_per_image: 256,
      text_config: {
        ...decoder(2048, 16384, 8, 2, 262_400),
        intermediate_size: [16384, 16384, 16384, 16384, 16384, 16384],
        head_dim: 256,
        vocab_size_per_layer_input: 262_144,
        hidden_size_per_layer_input: 256,
        laurel_rank: 64,
        altup_num_inputs: 4,
        sliding_window: 512,
      },
      vision_config: { hidden_size: 2048 },
    },
    imageProcessor: { size: { height: 768, width: 768 }, image_seq_length: 256 },
    processor: { image_seq_length: 256 },
    tensors: MOBILE,
  },
];
