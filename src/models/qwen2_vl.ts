// Qwen2-VL: Wang et al. 2024, https://arxiv.org/abs/2409.12191
import { GraphBuilder, rowsOf, type Value } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import type { Family, Model } from './family.js';
import { llamaDecoder, llamaShape } from './decoders/llama.js';
import { qwenImageProcessor } from './processors/qwen-image.js';
import type { QwenTimeline } from './processors/qwen-timeline.js';
import { patchPositions, segmentInput, visionAttention, visionRope, wholeImage } from './towers/qwen.js';
import { ropeSettings, sectionedAxes } from './rope.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { outputHead, weightScope, type WeightScope } from './checkpoint/weights.js';

export const qwen2Vl: Family = {
  modelTypes: ['qwen2_vl'],
  bestAt: 'screens, pointing; older',
  checkpoints: [
    { name: 'Qwen/Qwen2-VL-2B-Instruct', parameters: 2_208_985_600, towerParameters: 665_271_296 },
    { name: 'Qwen/Qwen2-VL-7B-Instruct', parameters: 8_291_375_616, towerParameters: 675_759_104 },
  ],
  build(checkpoint) {
    const config = new Config(checkpoint.config, 'config.json');
    const text = config.sectionOr('text_config', config);
    return qwenModel(checkpoint, {
      modelType: 'qwen2_vl',
      vision: visionEncoder(
        config.section('vision_config').withDefaults(VISION_DEFAULTS),
        text.count('hidden_size'),
        visionWeights(checkpoint),
      ),
      decoder: qwen2Decoder(checkpoint),
      processor: qwenImageProcessor(checkpoint, {
        imageToken: QWEN_IMAGE_TOKEN,
        symbols: () => ({ segments: 2 }),
        tables: (extent) => ({ patch_positions: patchPositions(extent), segments: wholeImage(extent) }),
        timeline: QWEN2_TIMELINE,
      }),
      boxes: { scale: 'relative-1000', lines: true },
    });
  },
};

// Names as in files of transformers before and since 4.52, and as MLX writes them.
export const visionWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['visual.', 'model.visual.', 'vision_tower.'], 'patch_embed.proj');
export const textWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['model.', 'model.language_model.', 'language_model.model.'], 'embed_tokens');

export const QWEN_IMAGE_TOKEN = '<|image_pad|>';
export const QWEN_VIDEO_TOKEN = '<|video_pad|>';
/** One block, a step of time for each moment. */
export const QWEN2_TIMELINE: QwenTimeline = {
  videoToken: QWEN_VIDEO_TOKEN,
  limits: { minPixels: 128 * 28 * 28, maxPixels: 768 * 28 * 28 },
  told: false,
};
const LAYER_NORM_EPS = 1e-6;
/** Of the configuration class; files saved again leave them out. */
const VISION_DEFAULTS = {
  depth: 32,
  embed_dim: 1280,
  num_heads: 16,
  mlp_ratio: 4,
  patch_size: 14,
  spatial_merge_size: 2,
  temporal_patch_size: 2,
};

function visionEncoder(config: Config, hidden: number, w: WeightScope): Program {
  const g = new GraphBuilder('vision');
  const width = config.count('embed_dim');
  const heads = config.count('num_heads');
  const patch = config.count('patch_size');
  const merge = config.count('spatial_merge_size');
  const channels = config.count(config.spelling('in_channels', 'in_chans'), 3);
  const frames = config.count('temporal_patch_size');
  const inner = width * config.number('mlp_ratio');

  const patches = rowsOf('patches');
  const pixels = g.input('pixel_values', { rows: patches, width: channels * frames * patch * patch });
  const positions = g.input('patch_positions', { rows: patches, width: 2, dtype: 'i32' });
  const segments = segmentInput(g, 'segments');
  const rope = visionRope(g, positions, width / heads);

  let x = g.matmul(pixels, w('patch_embed.proj').patchKernel(width, channels, [frames, patch, patch])); // [patches, width]
  for (let i = 0; i < config.parts('depth'); i++) {
    const block: WeightScope = (name) => w(`blocks.${i}.${name}`);
    const a = g.layerNorm(x, block('norm1'), LAYER_NORM_EPS);
    x = g.add(x, visionAttention(g, a, block, heads, rope, segments));
    const f = g.linear(g.layerNorm(x, block('norm2'), LAYER_NORM_EPS), block('mlp.fc1'), inner, {
      bias: true,
    });
    x = g.add(x, g.linear(g.activation(f, 'quick_gelu'), block('mlp.fc2'), width, { bias: true }));
    g.named(`blocks.${i}.output`, x);
  }
  g.output('features', merger(g, g.layerNorm(x, w('merger.ln_q'), LAYER_NORM_EPS), w, merge, hidden));
  return g.finish();
}

/** merge² patches become one token of the decoder. [patches, width] → [patches/merge², hidden] */
export function merger(g: GraphBuilder, x: Value, w: WeightScope, merge: number, hidden: number): Value {
  const grouped = g.regroup(x, merge * merge); // [tokens, merge²·width]
  const inner = g.activation(g.linear(grouped, w('merger.mlp.0'), grouped.width, { bias: true }), 'gelu');
  return g.linear(inner, w('merger.mlp.2'), hidden, { bias: true });
}

/** Qwen2 with M-RoPE whose frequencies are split into sections for time, row and column. */
export function qwen2Decoder(checkpoint: Checkpoint): Program {
  const g = new GraphBuilder('decoder');
  const config = new Config(checkpoint.config, 'config.json');
  const text = config.sectionOr('text_config', config);
  const w = textWeights(checkpoint);
  const rope = ropeSettings(text);
  const tied = config.boolean('tie_word_embeddings', text.boolean('tie_word_embeddings', false));
  llamaDecoder(g, w, outputHead(checkpoint, w('embed_tokens'), tied), llamaShape(text, { qkvBias: true }), {
    positionAxes: 3,
    rope,
    ropeAxes: sectionedAxes(rope.scaling.numbers('mrope_section')),
  });
  return g.finish();
}

/** What is the same in every Qwen VL model. */
export function qwenModel(
  checkpoint: Checkpoint,
  parts: Pick<Model, 'modelType' | 'vision' | 'decoder' | 'mtp' | 'processor' | 'boxes'>,
): Model {
  const config = new Config(checkpoint.config, 'config.json');
  const text = config.sectionOr('text_config', config);
  return {
    ...parts,
    positionAxes: 3,
    imagePlaceholder: QWEN_IMAGE_TOKEN,
    imageToken: QWEN_IMAGE_TOKEN,
    imageTokenId: imageTokenId(checkpoint, QWEN_IMAGE_TOKEN, 'image_token_id'),
    videoTokenId: checkpoint.tokenId(QWEN_VIDEO_TOKEN),
    visibility: 'causal',
    eosTokenIds: stopTokenIds(checkpoint, '<|im_end|>'),
    contextLength: text.count('max_position_embeddings', 32768),
  };
}
