// MoonViT, the vision encoder of Kimi-VL, Kimi K2.5 and LocateAnything (Kimi team 2025,
// https://arxiv.org/abs/2504.07491): a learned position table read bicubically and rotary positions whose pairs
// alternate between column and row.
import { rowsOf, type GraphBuilder, type Value } from '../../graph/builder.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { Config } from '../checkpoint/config.js';
import type { NamedTensor } from '../family.js';
import { bicubicTaps, gridTaps, type Taps } from './position-tables.js';
import { indexTensor } from '../processors/pixels.js';
import { mergeOrder } from '../processors/qwen-image.js';
import { segmentInput } from './qwen.js';
import { geometricFrequencies } from '../rope.js';
import { weightScope, type WeightScope } from '../checkpoint/weights.js';

export interface MoonVitShape {
  width: number;
  inner: number;
  layers: number;
  heads: number;
  patch: number;
  merge: number;
  /** Rows and columns of the position table. */
  table: [number, number];
}

const LAYER_NORM_EPS = 1e-5;
const ROPE_THETA = 10000;
const POSITION_TAPS = 16;

/** Some files prefix the keys with `vt_`. */
export function moonVitShape(vision: Config): MoonVitShape {
  const count = (key: string, fallback?: number): number =>
    vision.count(vision.spelling(key, `vt_${key}`), fallback);
  const merge = vision.has('merge_kernel_size') ? vision.numbers('merge_kernel_size')[0]! : 2;
  return {
    width: count('hidden_size'),
    inner: count('intermediate_size'),
    layers: vision.parts(vision.spelling('num_hidden_layers', 'vt_num_hidden_layers')),
    heads: count('num_attention_heads'),
    patch: count('patch_size', 14),
    merge,
    table: [
      vision.count(vision.spelling('init_pos_emb_height', 'pos_emb_height'), 64),
      vision.count(vision.spelling('init_pos_emb_width', 'pos_emb_width'), 64),
    ],
  };
}

/** MLX drops `encoder.` from the names of the blocks and puts attention under `attn.`. */
const towerWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['vision_tower.', 'model.vision_tower.', 'vision_model.'], 'patch_embed.proj');
const blockWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(
    checkpoint,
    [
      'vision_tower.encoder.',
      'model.vision_tower.encoder.',
      'vision_model.encoder.',
      'vision_tower.',
      'model.vision_tower.',
    ],
    'final_layernorm',
  );

export function moonVitTables(c: MoonVitShape, rows: number, columns: number): Record<string, NamedTensor> {
  const places = mergeOrder({ rows, columns, merge: 1 });
  const { index, weight } = gridTaps(
    places,
    axisTaps(rows, c.table[0]),
    axisTaps(columns, c.table[1]),
    c.table[1],
  );
  return {
    patch_positions: indexTensor(places.flat(), 2),
    position_index: index,
    position_weight: weight,
    segments: indexTensor([0, rows * columns]),
    block_order: indexTensor(
      mergeOrder({ rows, columns, merge: c.merge }).map(([row, column]) => row * columns + column),
    ),
  };
}

/** At the table's own size the cubic weights are 0, 1, 0, 0: no special case is needed. */
const axisTaps = (n: number, side: number): Taps[] =>
  Array.from({ length: n }, (_, i) => bicubicTaps(i, n, side));

/** Patches in raster order, the image as one segment. Returns [patches, width]. */
export function moonVit(g: GraphBuilder, checkpoint: Checkpoint, c: MoonVitShape): Value {
  const w = towerWeights(checkpoint);
  const blocks = blockWeights(checkpoint);
  const patches = rowsOf('patches');
  const pixels = g.input('pixel_values', { rows: patches, width: 3 * c.patch * c.patch });
  const positions = g.input('patch_positions', { rows: patches, width: 2, dtype: 'i32' });
  const tapIndex = g.input('position_index', { rows: patches, width: POSITION_TAPS, dtype: 'i32' });
  const tapWeight = g.input('position_weight', { rows: patches, width: POSITION_TAPS });
  const segments = segmentInput(g, 'segments');
  const rope = moonVitRope(g, positions, c.width / c.heads);

  const embed = w('patch_embed.proj');
  const embedded = g.matmul(pixels, embed.patchKernel(c.width, 3, [c.patch, c.patch]), embed.bias(c.width));
  const table = w('patch_embed.pos_emb').table([...c.table, c.width], c.width);
  let x = g.add(embedded, g.weightedRows(table, tapIndex, tapWeight));
  for (let i = 0; i < c.layers; i++) {
    const block: WeightScope = (name) => blocks(`blocks.${i}.${name}`);
    x = g.add(x, attention(g, g.layerNorm(x, block('norm0'), LAYER_NORM_EPS), block, c, rope, segments));
    const f = g.linear(g.layerNorm(x, block('norm1'), LAYER_NORM_EPS), block('mlp.fc0'), c.inner, {
      bias: true,
    });
    x = g.add(x, g.linear(g.activation(f, 'gelu_tanh'), block('mlp.fc1'), c.width, { bias: true }));
    g.named(`blocks.${i}.output`, x);
  }
  return g.layerNorm(x, blocks('final_layernorm'), LAYER_NORM_EPS);
}

/** Pair 2j turns with the column, pair 2j + 1 with the row, both at θ^(−4j/headDim). */
function moonVitRope(g: GraphBuilder, positions: Value, headDim: number): Value {
  const f = geometricFrequencies(ROPE_THETA, headDim / 2);
  return g.ropeTable(positions, {
    invFreq: f.flatMap((frequency) => [frequency, frequency]),
    axis: f.flatMap(() => [1, 0]),
  });
}

function attention(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  { width, heads }: MoonVitShape,
  rope: Value,
  segments: Value,
): Value {
  const named = (name: string): ReturnType<WeightScope> => (w(name).exists ? w(name) : w(`attn.${name}`));
  const qkv = g.linear(x, named('wqkv'), 3 * width, { bias: true });
  const [q, k, v] = [0, 1, 2].map((part) => g.slice(qkv, part * width, width)) as [Value, Value, Value];
  const turned = (y: Value): Value => g.rope(y, rope, heads, { interleaved: true });
  const kDim = width / heads;
  const o = g.segmentAttention(turned(q), turned(k), v, segments, {
    heads,
    kvHeads: heads,
    kDim,
    scale: kDim ** -0.5,
  });
  return g.linear(o, named('wo'), width, { bias: true });
}

/** merge² patches in a row. [patches, width] → [tokens, merge²·width] */
export function mergedPatches(g: GraphBuilder, x: Value, merge: number): Value {
  const order = g.input('block_order', { rows: rowsOf('patches'), width: 1, dtype: 'i32' });
  return g.regroup(g.gatherRows(x, order), merge * merge);
}
