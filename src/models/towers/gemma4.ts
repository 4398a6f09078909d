// Gemma 4's vision tower: Gemma's layer with full attention, a learned table for each axis and rotary positions besides;
// k × k patches become one token. Linears of the small models clip what goes in and comes out.
import { rowsOf, type GraphBuilder, type Value } from '../../graph/builder.js';
import type { Config } from '../checkpoint/config.js';
import type { WeightScope } from '../checkpoint/weights.js';
import type { NamedTensor } from '../family.js';
import { poolingCells } from '../processors/gemma4-image.js';
import { floatTensor, indexTensor, type PatchGrid } from '../processors/pixels.js';
import { geometricFrequencies, ropeSettings } from '../rope.js';
import { segmentInput } from './qwen.js';

export interface Gemma4TowerShape {
  width: number;
  inner: number;
  layers: number;
  heads: number;
  headDim: number;
  patch: number;
  /** k: patches a side that make one token. */
  pool: number;
  /** Rows of each axis' table. */
  positions: number;
  eps: number;
  theta: number;
  clipped: boolean;
  standardized: boolean;
}

export function gemma4TowerShape(vision: Config): Gemma4TowerShape {
  return {
    width: vision.count('hidden_size'),
    inner: vision.count('intermediate_size'),
    layers: vision.parts('num_hidden_layers'),
    heads: vision.count('num_attention_heads'),
    headDim: vision.count('head_dim'),
    patch: vision.count('patch_size', 16),
    pool: vision.count('pooling_kernel_size', 3),
    positions: vision.count('position_embedding_size', 10240),
    eps: vision.number('rms_norm_eps', 1e-6),
    theta: ropeSettings(vision, { theta: 100 }).theta,
    clipped: vision.boolean('use_clipped_linears', false),
    standardized: vision.boolean('standardize', false),
  };
}

/** Tables of one image for the inputs that the tower declares. */
export function gemma4Tables(grid: PatchGrid, pool: number, positions: number): Record<string, NamedTensor> {
  const places = Array.from({ length: grid.rows * grid.columns }, (_, i) => [
    i % grid.columns,
    Math.floor(i / grid.columns),
  ]);
  const cells = poolingCells(grid, pool);
  const filled = (length: number, value: number): Float32Array => new Float32Array(length).fill(value);
  return {
    pixel_centre: floatTensor(filled(places.length, -0.5), 1),
    patch_positions: indexTensor(places.flat(), 2),
    position_index: indexTensor(
      places.flatMap(([x, y]) => [x!, positions + y!]),
      2,
    ),
    position_weight: floatTensor(filled(2 * places.length, 1), 2),
    pool_index: indexTensor(cells, pool * pool),
    pool_weight: floatTensor(filled(cells.length, 1 / (pool * pool)), pool * pool),
    segments: indexTensor([0, places.length]),
  };
}

/** Patches of one image in raster order. → [tokens, width] */
export function gemma4Tower(g: GraphBuilder, w: WeightScope, c: Gemma4TowerShape): Value {
  const [patches, tokens, taps] = [rowsOf('patches'), rowsOf('tokens'), c.pool * c.pool];
  const pixels = g.input('pixel_values', { rows: patches, width: 3 * c.patch ** 2 }); // in [0, 1]
  const centre = g.input('pixel_centre', { rows: patches, width: 1 });
  const positions = g.input('patch_positions', { rows: patches, width: 2, dtype: 'i32' }); // x, y
  const positionIndex = g.input('position_index', { rows: patches, width: 2, dtype: 'i32' });
  const positionWeight = g.input('position_weight', { rows: patches, width: 2 });
  const poolIndex = g.input('pool_index', { rows: tokens, width: taps, dtype: 'i32' });
  const poolWeight = g.input('pool_weight', { rows: tokens, width: taps });
  const segments = segmentInput(g, 'segments');

  const centred = g.scale(g.add(pixels, centre), 2);
  const table = w('patch_embedder.position_embedding_table').table([2, c.positions, c.width], c.width, '');
  let x = g.add(
    g.linear(centred, w('patch_embedder.input_proj'), c.width),
    g.weightedRows(table, positionIndex, positionWeight),
  );
  const ropes = ([0, 1] as const).map((axis) => {
    const invFreq = geometricFrequencies(c.theta, c.headDim / 2);
    return g.ropeTable(positions, { invFreq, axis: invFreq.map(() => axis) });
  });
  for (let i = 0; i < c.layers; i++) {
    const layer: WeightScope = (name) => w(`encoder.layers.${i}.${name}`);
    const norm = (y: Value, name: string): Value => g.rmsNorm(y, layer(name), c.eps);
    const a = attention(g, norm(x, 'input_layernorm'), layer, c, ropes, segments);
    x = g.add(x, norm(a, 'post_attention_layernorm'));
    const f = mlp(g, norm(x, 'pre_feedforward_layernorm'), layer, c);
    x = g.named(`blocks.${i}.output`, g.add(x, norm(f, 'post_feedforward_layernorm')));
  }
  const pooled = g.scale(g.weightedRows(x, poolIndex, poolWeight), Math.sqrt(c.width));
  return c.standardized ? standardize(g, pooled, w, c.width) : pooled;
}

/** (x − bias) · scale */
function standardize(g: GraphBuilder, x: Value, w: WeightScope, width: number): Value {
  const negated = g.add(g.scale(x, -1), w('std_bias').parameter([width]));
  return g.mul(g.scale(negated, -1), w('std_scale').parameter([width]));
}

/** Each axis turns its own half of a head; scores are not scaled. */
function attention(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  c: Gemma4TowerShape,
  ropes: Value[],
  segments: Value,
): Value {
  const { heads, headDim } = c;
  const project = (name: string): Value => linear(g, x, w, `self_attn.${name}`, heads * headDim, c);
  const turned = (y: Value, name: string): Value =>
    ropes.reduce(
      (z, rope, axis) => g.rope(z, rope, heads, { start: (axis * headDim) / 2 }),
      g.rmsNorm(y, w(`self_attn.${name}`), c.eps, { groups: heads }),
    );
  const [q, k] = [turned(project('q_proj'), 'q_norm'), turned(project('k_proj'), 'k_norm')];
  const v = g.rmsNorm(project('v_proj'), null, c.eps, { groups: heads });
  const o = g.segmentAttention(q, k, v, segments, { heads, kvHeads: heads, kDim: headDim, scale: 1 });
  return linear(g, o, w, 'self_attn.o_proj', c.width, c);
}

function mlp(g: GraphBuilder, x: Value, w: WeightScope, c: Gemma4TowerShape): Value {
  const project = (name: string): Value => linear(g, x, w, `mlp.${name}`, c.inner, c);
  const gated = g.gatedActivation(project('gate_proj'), project('up_proj'), 'gelu_tanh');
  return linear(g, gated, w, 'mlp.down_proj', c.width, c);
}

function linear(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  name: string,
  out: number,
  { clipped }: Gemma4TowerShape,
): Value {
  const between = (y: Value, side: string): Value =>
    clipped ? g.clamp(y, w(`${name}.${side}_min`).scalar(), w(`${name}.${side}_max`).scalar()) : y;
  return between(g.linear(between(x, 'input'), w(`${name}.linear`), out), 'output');
}
