// Real dimensions of published checkpoints (config.json values and every stored tensor's shape), for benchmarks on
// random weights. The numbers are those of the families' own config files.

export interface Dimensions {
  config: Record<string, unknown>;
  imageProcessor: Record<string, unknown>;
  processor: Record<string, unknown>;
  /** Special tokens the family asks for by string. */
  tokens: Record<string, number>;
  tensors: Map<string, number[]>;
  /** Stored names of the language model's matrices: what MLX conversions quantize. */
  quantized: (name: string) => boolean;
}

export type Shapes = Map<string, number[]>;

export const QWEN_TOKENS = {
  '<|endoftext|>': 151643,
  '<|im_start|>': 151644,
  '<|im_end|>': 151645,
  '<|vision_start|>': 151652,
  '<|vision_end|>': 151653,
  '<|image_pad|>': 151655,
  '<|video_pad|>': 151656,
};

const CLIP = {
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
};

export function linear(shapes: Shapes, name: string, out: number, input: number, bias: boolean): void {
  shapes.set(`${name}.weight`, [out, input]);
  if (bias) shapes.set(`${name}.bias`, [out]);
}

export function norm(shapes: Shapes, name: string, width: number, bias: boolean): void {
  shapes.set(`${name}.weight`, [width]);
  if (bias) shapes.set(`${name}.bias`, [width]);
}

export interface Decoder {
  hidden: number;
  intermediate: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocab: number;
  qkvBias: boolean;
  qkNorm: boolean;
}

/** Decoders of which other forms are written, too. */
export const TEXT = {
  'qwen2-vl-2b': {
    hidden: 1536,
    intermediate: 8960,
    layers: 28,
    heads: 12,
    kvHeads: 2,
    headDim: 128,
    vocab: 151936,
    qkvBias: true,
    qkNorm: false,
  },
  'smolvlm-256m': {
    hidden: 576,
    intermediate: 1536,
    layers: 30,
    heads: 9,
    kvHeads: 3,
    headDim: 64,
    vocab: 49280,
    qkvBias: false,
    qkNorm: false,
  },
} satisfies Record<string, Decoder>;

export function decoder(shapes: Shapes, prefix: string, d: Decoder): void {
  shapes.set(`${prefix}embed_tokens.weight`, [d.vocab, d.hidden]);
  for (let i = 0; i < d.layers; i++) {
    const layer = `${prefix}layers.${i}`;
    linear(shapes, `${layer}.self_attn.q_proj`, d.heads * d.headDim, d.hidden, d.qkvBias);
    linear(shapes, `${layer}.self_attn.k_proj`, d.kvHeads * d.headDim, d.hidden, d.qkvBias);
    linear(shapes, `${layer}.self_attn.v_proj`, d.kvHeads * d.headDim, d.hidden, d.qkvBias);
    linear(shapes, `${layer}.self_attn.o_proj`, d.hidden, d.heads * d.headDim, false);
    if (d.qkNorm) {
      norm(shapes, `${layer}.self_attn.q_norm`, d.headDim, false);
      norm(shapes, `${layer}.self_attn.k_norm`, d.headDim, false);
    }
    linear(shapes, `${layer}.mlp.gate_proj`, d.intermediate, d.hidden, false);
    linear(shapes, `${layer}.mlp.up_proj`, d.intermediate, d.hidden, false);
    linear(shapes, `${layer}.mlp.down_proj`, d.hidden, d.intermediate, false);
    norm(shapes, `${layer}.input_layernorm`, d.hidden, false);
    norm(shapes, `${layer}.post_attention_layernorm`, d.hidden, false);
  }
  norm(shapes, `${prefix}norm`, d.hidden, false);
}

function qwen2Vl2b(): Dimensions {
  const shapes: Shapes = new Map();
  shapes.set('visual.patch_embed.proj.weight', [1280, 3, 2, 14, 14]);
  for (let i = 0; i < 32; i++) {
    const block = `visual.blocks.${i}`;
    norm(shapes, `${block}.norm1`, 1280, true);
    norm(shapes, `${block}.norm2`, 1280, true);
    linear(shapes, `${block}.attn.qkv`, 3840, 1280, true);
    linear(shapes, `${block}.attn.proj`, 1280, 1280, true);
    linear(shapes, `${block}.mlp.fc1`, 5120, 1280, true);
    linear(shapes, `${block}.mlp.fc2`, 1280, 5120, true);
  }
  norm(shapes, 'visual.merger.ln_q', 1280, true);
  linear(shapes, 'visual.merger.mlp.0', 5120, 5120, true);
  linear(shapes, 'visual.merger.mlp.2', 1536, 5120, true);
  decoder(shapes, 'model.', TEXT['qwen2-vl-2b']);
  return {
    config: {
      model_type: 'qwen2_vl',
      hidden_size: 1536,
      intermediate_size: 8960,
      num_hidden_layers: 28,
      num_attention_heads: 12,
      num_key_value_heads: 2,
      vocab_size: 151936,
      tie_word_embeddings: true,
      rms_norm_eps: 1e-6,
      rope_theta: 1e6,
      rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] },
      max_position_embeddings: 32768,
      hidden_act: 'silu',
      image_token_id: 151655,
      video_token_id: 151656,
      vision_start_token_id: 151652,
      vision_end_token_id: 151653,
      vision_config: {
        depth: 32,
        embed_dim: 1280,
        num_heads: 16,
        mlp_ratio: 4,
        in_chans: 3,
        patch_size: 14,
        spatial_merge_size: 2,
        temporal_patch_size: 2,
        hidden_act: 'quick_gelu',
        hidden_size: 1536,
      },
    },
    imageProcessor: {
      patch_size: 14,
      temporal_patch_size: 2,
      merge_size: 2,
      min_pixels: 3136,
      max_pixels: 12845056,
      ...CLIP,
    },
    processor: {},
    tokens: QWEN_TOKENS,
    tensors: shapes,
    quantized: (name) => name.startsWith('model.') && shapes.get(name)?.length === 2,
  };
}

function qwen25Vl3b(): Dimensions {
  const shapes: Shapes = new Map();
  shapes.set('visual.patch_embed.proj.weight', [1280, 3, 2, 14, 14]);
  for (let i = 0; i < 32; i++) {
    const block = `visual.blocks.${i}`;
    norm(shapes, `${block}.norm1`, 1280, false);
    norm(shapes, `${block}.norm2`, 1280, false);
    linear(shapes, `${block}.attn.qkv`, 3840, 1280, true);
    linear(shapes, `${block}.attn.proj`, 1280, 1280, true);
    linear(shapes, `${block}.mlp.gate_proj`, 3420, 1280, true);
    linear(shapes, `${block}.mlp.up_proj`, 3420, 1280, true);
    linear(shapes, `${block}.mlp.down_proj`, 1280, 3420, true);
  }
  norm(shapes, 'visual.merger.ln_q', 1280, false);
  linear(shapes, 'visual.merger.mlp.0', 5120, 5120, true);
  linear(shapes, 'visual.merger.mlp.2', 2048, 5120, true);
  decoder(shapes, 'model.', {
    hidden: 2048,
    intermediate: 11008,
    layers: 36,
    heads: 16,
    kvHeads: 2,
    headDim: 128,
    vocab: 151936,
    qkvBias: true,
    qkNorm: false,
  });
  return {
    config: {
      model_type: 'qwen2_5_vl',
      hidden_size: 2048,
      intermediate_size: 11008,
      num_hidden_layers: 36,
      num_attention_heads: 16,
      num_key_value_heads: 2,
      vocab_size: 151936,
      tie_word_embeddings: true,
      rms_norm_eps: 1e-6,
      rope_theta: 1e6,
      rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] },
      max_position_embeddings: 128000,
      hidden_act: 'silu',
      image_token_id: 151655,
      video_token_id: 151656,
      vision_start_token_id: 151652,
      vision_end_token_id: 151653,
      vision_config: {
        depth: 32,
        hidden_size: 1280,
        intermediate_size: 3420,
        num_heads: 16,
        hidden_act: 'silu',
        patch_size: 14,
        in_chans: 3,
        spatial_merge_size: 2,
        temporal_patch_size: 2,
        window_size: 112,
        fullatt_block_indexes: [7, 15, 23, 31],
        out_hidden_size: 2048,
        tokens_per_second: 2,
      },
    },
    imageProcessor: {
      patch_size: 14,
      temporal_patch_size: 2,
      merge_size: 2,
      min_pixels: 3136,
      max_pixels: 12845056,
      ...CLIP,
    },
    processor: {},
    tokens: QWEN_TOKENS,
    tensors: shapes,
    quantized: (name) => name.startsWith('model.') && shapes.get(name)?.length === 2,
  };
}

function smolvlm256m(): Dimensions {
  const shapes: Shapes = new Map();
  const vision = 'model.vision_model';
  linear(shapes, `${vision}.embeddings.patch_embedding`, 768, 768, true);
  shapes.set(`${vision}.embeddings.patch_embedding.weight`, [768, 3, 16, 16]);
  shapes.set(`${vision}.embeddings.position_embedding.weight`, [1024, 768]);
  for (let i = 0; i < 12; i++) {
    const layer = `${vision}.encoder.layers.${i}`;
    for (const part of ['q_proj', 'k_proj', 'v_proj', 'out_proj']) {
      linear(shapes, `${layer}.self_attn.${part}`, 768, 768, true);
    }
    norm(shapes, `${layer}.layer_norm1`, 768, true);
    norm(shapes, `${layer}.layer_norm2`, 768, true);
    linear(shapes, `${layer}.mlp.fc1`, 3072, 768, true);
    linear(shapes, `${layer}.mlp.fc2`, 768, 3072, true);
  }
  norm(shapes, `${vision}.post_layernorm`, 768, true);
  linear(shapes, 'model.connector.modality_projection.proj', 576, 12288, false);
  decoder(shapes, 'model.text_model.', TEXT['smolvlm-256m']);
  shapes.set('lm_head.weight', [49280, 576]);
  const tokens: Record<string, number> = {
    '<image>': 49190,
    '<fake_token_around_image>': 49189,
    '<global-img>': 49152,
    '<end_of_utterance>': 49279,
    '<|im_start|>': 1,
    '<|im_end|>': 2,
    '<|endoftext|>': 0,
  };
  return {
    config: {
      model_type: 'idefics3',
      image_token_id: 49190,
      scale_factor: 4,
      tie_word_embeddings: false,
      vision_config: {
        image_size: 512,
        patch_size: 16,
        hidden_size: 768,
        intermediate_size: 3072,
        num_hidden_layers: 12,
        num_attention_heads: 12,
        layer_norm_eps: 1e-6,
        hidden_act: 'gelu_pytorch_tanh',
        num_channels: 3,
      },
      text_config: {
        model_type: 'llama',
        hidden_size: 576,
        intermediate_size: 1536,
        num_hidden_layers: 30,
        num_attention_heads: 9,
        num_key_value_heads: 3,
        head_dim: 64,
        vocab_size: 49280,
        rope_theta: 100000,
        rms_norm_eps: 1e-5,
        max_position_embeddings: 8192,
        hidden_act: 'silu',
      },
    },
    imageProcessor: {
      do_resize: true,
      do_image_splitting: true,
      size: { longest_edge: 2048 },
      max_image_size: { longest_edge: 512 },
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
      resample: 1,
    },
    processor: { image_seq_len: 64 },
    tokens,
    tensors: shapes,
    quantized: (name) =>
      (name.startsWith('model.text_model') || name.startsWith('lm_head')) && shapes.get(name)?.length === 2,
  };
}

/** Names accepted by `--dims`; `starter` is the bundled checkpoint itself and has no entry here. */
export const DIMENSIONS: Record<string, () => Dimensions> = {
  'qwen2-vl-2b': qwen2Vl2b,
  'qwen2.5-vl-3b': qwen25Vl3b,
  'smolvlm-256m': smolvlm256m,
};
