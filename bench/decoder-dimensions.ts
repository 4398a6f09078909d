// Text decoders of published dimensions with a few layers, beside a vision tower that only has to exist: what counting
// needs, because layers are alike.
import {
  decoder,
  linear,
  norm,
  QWEN_TOKENS,
  TEXT,
  type Decoder,
  type Dimensions,
  type Shapes,
} from './dimensions.js';

type Experts = NonNullable<DecoderModel['experts']>;

export interface DecoderModel {
  name: string;
  modelType: 'qwen2_5_vl' | 'qwen3_vl' | 'qwen3_vl_moe';
  text: Decoder;
  tied: boolean;
  /** Layers that DeepStack features join; counting keeps the first of them. */
  deepstack: number;
  /** In the place of every MLP: gated MLPs of width `inner`, `chosen` of them for a row. */
  experts?: { count: number; chosen: number; inner: number };
}

/**
 * config.json of Qwen/Qwen2-VL-2B-Instruct, whose decoder is that of its successor, Qwen2.5-VL-7B-Instruct and
 * Qwen3-VL-4B-Instruct.
 */
export const DECODERS: DecoderModel[] = [
  {
    name: 'Qwen2-VL-2B',
    modelType: 'qwen2_5_vl',
    text: TEXT['qwen2-vl-2b'],
    tied: true,
    deepstack: 0,
  },
  {
    name: 'Qwen2.5-VL-7B',
    modelType: 'qwen2_5_vl',
    text: {
      hidden: 3584,
      intermediate: 18944,
      layers: 28,
      heads: 28,
      kvHeads: 4,
      headDim: 128,
      vocab: 152064,
      qkvBias: true,
      qkNorm: false,
    },
    tied: false,
    deepstack: 0,
  },
  {
    name: 'Qwen3-VL-4B',
    modelType: 'qwen3_vl',
    text: {
      hidden: 2560,
      intermediate: 9728,
      layers: 36,
      heads: 32,
      kvHeads: 8,
      headDim: 128,
      vocab: 151936,
      qkvBias: false,
      qkNorm: true,
    },
    tied: true,
    deepstack: 3,
  },
];

/** config.json of Qwen/Qwen3-VL-30B-A3B-Instruct. */
export const EXPERT_DECODER: DecoderModel = {
  name: 'Qwen3-VL-30B-A3B',
  modelType: 'qwen3_vl_moe',
  text: {
    hidden: 2048,
    intermediate: 6144,
    layers: 48,
    heads: 32,
    kvHeads: 4,
    headDim: 128,
    vocab: 151936,
    qkvBias: false,
    qkNorm: true,
  },
  tied: false,
  deepstack: 3,
  experts: { count: 128, chosen: 8, inner: 768 },
};

const TOWER = { width: 64, heads: 2, depth: 1, patch: 14, inner: 128 };

const isRecent = (model: DecoderModel): boolean => model.modelType !== 'qwen2_5_vl';

/** As MLX stores them, stacked. */
function experts(shapes: Shapes, prefix: string, layers: number, hidden: number, e: Experts): void {
  for (let i = 0; i < layers; i++) {
    const mlp = `${prefix}layers.${i}.mlp`;
    linear(shapes, `${mlp}.gate`, e.count, hidden, false);
    for (const part of ['gate_proj', 'up_proj', 'down_proj']) {
      shapes.delete(`${mlp}.${part}.weight`);
      const [out, input] = part === 'down_proj' ? [hidden, e.inner] : [e.inner, hidden];
      shapes.set(`${mlp}.switch_mlp.${part}.weight`, [e.count, out, input]);
    }
  }
}

function tower(shapes: Shapes, model: DecoderModel, hidden: number): void {
  const { width, depth, patch, inner } = TOWER;
  const recent = isRecent(model);
  const grouped = 4 * width;
  shapes.set('visual.patch_embed.proj.weight', [width, 3, 2, patch, patch]);
  for (let i = 0; i < depth; i++) {
    const block = `visual.blocks.${i}`;
    norm(shapes, `${block}.norm1`, width, recent);
    norm(shapes, `${block}.norm2`, width, recent);
    linear(shapes, `${block}.attn.qkv`, 3 * width, width, true);
    linear(shapes, `${block}.attn.proj`, width, width, true);
    const parts = recent ? ['linear_fc1'] : ['gate_proj', 'up_proj'];
    for (const part of parts) linear(shapes, `${block}.mlp.${part}`, inner, width, true);
    linear(shapes, `${block}.mlp.${recent ? 'linear_fc2' : 'down_proj'}`, width, inner, true);
  }
  if (!recent) {
    norm(shapes, 'visual.merger.ln_q', width, false);
    linear(shapes, 'visual.merger.mlp.0', grouped, grouped, true);
    linear(shapes, 'visual.merger.mlp.2', hidden, grouped, true);
    return;
  }
  shapes.set('visual.patch_embed.proj.bias', [width]);
  shapes.set('visual.pos_embed.weight', [16, width]);
  ['merger', ...Array.from({ length: depth }, (_, i) => `deepstack_merger_list.${i}`)].forEach((name, i) => {
    norm(shapes, `visual.${name}.norm`, i === 0 ? width : grouped, true);
    linear(shapes, `visual.${name}.linear_fc1`, grouped, grouped, true);
    linear(shapes, `visual.${name}.linear_fc2`, hidden, grouped, true);
  });
}

/** `model` with other sizes where `changed` says so. */
export function decoderDimensions(model: DecoderModel, changed: Partial<Decoder>): Dimensions {
  const text = { ...model.text, ...changed };
  const recent = isRecent(model);
  const shapes: Shapes = new Map();
  const prefix = recent ? 'model.language_model.' : 'model.';
  decoder(shapes, prefix, text);
  if (model.experts) experts(shapes, prefix, text.layers, text.hidden, model.experts);
  if (!model.tied) shapes.set('lm_head.weight', [text.vocab, text.hidden]);
  const vision: Shapes = new Map();
  tower(vision, model, text.hidden);
  for (const [name, shape] of vision) shapes.set(recent ? `model.${name}` : name, shape);
  const fields = {
    hidden_size: text.hidden,
    intermediate_size: text.intermediate,
    num_hidden_layers: text.layers,
    num_attention_heads: text.heads,
    num_key_value_heads: text.kvHeads,
    head_dim: text.headDim,
    vocab_size: text.vocab,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    rope_scaling: { type: 'mrope', mrope_section: recent ? [24, 20, 20] : [16, 24, 24] },
    max_position_embeddings: 32768,
    hidden_act: 'silu',
    tie_word_embeddings: model.tied,
    ...(model.experts && {
      num_experts: model.experts.count,
      num_experts_per_tok: model.experts.chosen,
      moe_intermediate_size: model.experts.inner,
    }),
  };
  return {
    config: {
      model_type: model.modelType,
      ...(recent
        ? {
            text_config: { ...fields, model_type: `${model.modelType}_text` },
            tie_word_embeddings: model.tied,
          }
        : fields),
      image_token_id: 151655,
      video_token_id: 151656,
      vision_start_token_id: 151652,
      vision_end_token_id: 151653,
      vision_config: {
        depth: TOWER.depth,
        hidden_size: TOWER.width,
        intermediate_size: TOWER.inner,
        num_heads: TOWER.heads,
        hidden_act: recent ? 'gelu_pytorch_tanh' : 'silu',
        patch_size: TOWER.patch,
        in_chans: 3,
        in_channels: 3,
        spatial_merge_size: 2,
        temporal_patch_size: 2,
        window_size: 112,
        fullatt_block_indexes: [0],
        out_hidden_size: text.hidden,
        tokens_per_second: 2,
        num_position_embeddings: 16,
        deepstack_visual_indexes: model.deepstack > 0 ? [0] : [],
      },
    },
    imageProcessor: {
      patch_size: TOWER.patch,
      temporal_patch_size: 2,
      merge_size: 2,
      min_pixels: 3136,
      max_pixels: 12845056,
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
    },
    processor: {},
    tokens: QWEN_TOKENS,
    tensors: shapes,
    quantized: (name) =>
      (name.startsWith(prefix) || name.startsWith('lm_head')) &&
      !name.includes('visual.') &&
      (shapes.get(name)?.length ?? 0) >= 2,
  };
}
