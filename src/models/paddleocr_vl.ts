// PaddleOCR-VL: Cui et al. 2025, https://arxiv.org/abs/2510.14528. A SigLIP tower for images of any shape, whose attention also
// turns by row and column, before ERNIE 4.5 with M-RoPE.
import { GraphBuilder, rowsOf } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import {
  renamedScope,
  storedUnder,
  weightModule,
  weightScope,
  type WeightScope,
} from './checkpoint/weights.js';
import { llamaDecoder, llamaShape } from './decoders/llama.js';
import type { Family, NamedTensor } from './family.js';
import { indexTensor } from './processors/pixels.js';
import { mergeOrder, qwenImageProcessor, type PatchExtent } from './processors/qwen-image.js';
import { textWeights } from './qwen2_vl.js';
import { ropeSettings, sectionedAxes } from './rope.js';
import { bilinearTaps, gridTaps, type Taps } from './towers/position-tables.js';
import { visionRope, wholeImage } from './towers/qwen.js';
import { siglipBlocks, siglipShape } from './towers/siglip.js';

const IMAGE_TOKEN = '<|IMAGE_PLACEHOLDER|>';
/** Of torch's class; no setting says it. */
const PROJECTOR_EPS = 1e-5;
const POSITION_TAPS = 4;

export const paddleOcrVl: Family = {
  modelTypes: ['paddleocr_vl'],
  bestAt: 'reading pages',
  checkpoints: [
    { name: 'PaddlePaddle/PaddleOCR-VL', parameters: 905_601_648, towerParameters: 412_987_248 },
    { name: 'PaddlePaddle/PaddleOCR-VL-1.5', parameters: 905_601_648, towerParameters: 412_987_248 },
  ],
  build(checkpoint) {
    const config = new Config(checkpoint.config, 'config.json');
    const text = config.sectionOr('text_config', config);
    const vision = visionConfig(config);
    const side = wholePatches(vision);
    return {
      modelType: 'paddleocr_vl',
      vision: visionEncoder(checkpoint, vision, text.count('hidden_size')),
      decoder: decoder(checkpoint, text),
      processor: qwenImageProcessor(checkpoint, {
        imageToken: IMAGE_TOKEN,
        raster: true,
        symbols: () => ({ segments: 2 }),
        tables: (extent) => tablesOf(extent, side),
      }),
      positionAxes: 3,
      imagePlaceholder: IMAGE_TOKEN,
      imageToken: IMAGE_TOKEN,
      imageTokenId: imageTokenId(checkpoint, IMAGE_TOKEN, 'image_token_id'),
      visibility: 'causal',
      eosTokenIds: stopTokenIds(checkpoint),
      boxes: null,
      // Templates write this for an image unless they are given a token of that name, which is less than was trained.
      templateSwitches: { image_token: `<|IMAGE_START|>${IMAGE_TOKEN}<|IMAGE_END|>` },
      contextLength: text.count('max_position_embeddings', 131072),
    };
  },
};

/** Of the configuration class; files leave out what equals them. */
function visionConfig(config: Config): Config {
  return config.section('vision_config').withDefaults({
    hidden_size: 1152,
    intermediate_size: 4304,
    num_hidden_layers: 27,
    num_attention_heads: 16,
    image_size: 384,
    patch_size: 14,
    spatial_merge_size: 2,
  });
}

/** Patches are in raster order; `block_order` puts those of a token together. */
function tablesOf(extent: PatchExtent, side: number): Record<string, NamedTensor> {
  const places = mergeOrder({ ...extent, merge: 1 });
  const axis = (n: number): Taps[] => Array.from({ length: n }, (_, i) => bilinearTaps(i, n, side));
  const { index, weight } = gridTaps(places, axis(extent.rows), axis(extent.columns), side);
  return {
    position_index: index,
    position_weight: weight,
    patch_positions: indexTensor(places.flat(), 2),
    segments: wholeImage(extent),
    block_order: indexTensor(mergeOrder(extent).map(([row, column]) => row * extent.columns + column)),
  };
}

/** MLX drops a folder of the names and joins q, k and v. */
const MLX_NAMES = [
  [/^encoder\.(layers\.\d+\.self_attn)\.[qkv]_proj$/, '$1.qkv'],
  [/^encoder\./, ''],
] as const;

function visionWeights(checkpoint: Checkpoint, width: number): WeightScope {
  if (storedUnder(checkpoint, 'visual.layers.0.self_attn.qkv')) {
    const theirs = weightScope(checkpoint, ['visual.'], 'embeddings.patch_embedding');
    return renamedScope(checkpoint, theirs, MLX_NAMES, width);
  }
  const prefixes = ['visual.vision_model.', 'model.visual.vision_model.', 'model.visual.'];
  return weightScope(checkpoint, prefixes, 'embeddings.patch_embedding');
}

/** Side of the position table: a convolution sees whole patches only, 27 of 14 pixels in 384. */
const wholePatches = (vision: Config): number =>
  Math.floor(vision.count('image_size') / vision.count('patch_size'));

function visionEncoder(checkpoint: Checkpoint, vision: Config, hidden: number): Program {
  const g = new GraphBuilder('vision');
  const shape = siglipShape(vision);
  const w = visionWeights(checkpoint, shape.hidden_size);
  const { hidden_size: width, patch_size: patch } = shape;
  const merge = vision.count('spatial_merge_size');
  const patches = rowsOf('patches');
  const pixels = g.input('pixel_values', { rows: patches, width: 3 * patch ** 2 });
  const index = g.input('position_index', { rows: patches, width: POSITION_TAPS, dtype: 'i32' });
  const weight = g.input('position_weight', { rows: patches, width: POSITION_TAPS });
  const positions = g.input('patch_positions', { rows: patches, width: 2, dtype: 'i32' });
  const order = g.input('block_order', { rows: patches, width: 1, dtype: 'i32' });

  const embed = w('embeddings.patch_embedding');
  const kernel = embed.patchKernel(width, 3, [patch, patch]);
  const table = w('embeddings.position_embedding').matrix(wholePatches(vision) ** 2, width);
  const x = g.add(g.matmul(pixels, kernel, embed.bias(width)), g.weightedRows(table, index, weight));
  const rope = visionRope(g, positions, width / shape.num_attention_heads);
  const seen = siglipBlocks(g, x, w, shape, rope);

  const p = weightScope(checkpoint, ['mlp_AR.', 'model.projector.', 'visual.projector.'], 'linear_1');
  const normed = g.layerNorm(seen, p('pre_norm'), PROJECTOR_EPS);
  const blocks = g.regroup(g.gatherRows(normed, order), merge * merge); // [tokens, merge²·width]
  const inner = g.linear(blocks, p('linear_1'), blocks.width, { bias: true });
  g.output('features', g.linear(g.activation(inner, 'gelu'), p('linear_2'), hidden, { bias: true }));
  return g.finish();
}

/** M-RoPE whose frequencies are split into sections, as Qwen2-VL's. */
function decoder(checkpoint: Checkpoint, text: Config): Program {
  const g = new GraphBuilder('decoder');
  const w = textWeights(checkpoint);
  const rope = ropeSettings(text, { theta: 500000 });
  // Files say that it is not tied, and the reference ties it all the same.
  const stored = weightModule(checkpoint, ['lm_head', 'language_model.lm_head']);
  const shape = llamaShape(text, { rms_norm_eps: 1e-5, qkvBias: text.boolean('use_bias', false) });
  llamaDecoder(g, w, stored.exists ? stored : w('embed_tokens'), shape, {
    positionAxes: 3,
    rope,
    ropeAxes: sectionedAxes(rope.scaling.numbers('mrope_section')),
  });
  return g.finish();
}
