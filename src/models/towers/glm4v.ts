// The vision encoder of GLM-4.1V, GLM-4.6V and GLM-OCR: Qwen's patches and rotary positions, RMSNorm, a gated MLP, and a
// 2 × 2 convolution that makes a token of four patches. The GLM-V models add a learned table of positions, read
// bicubically; GLM-OCR has biases and norms of q and k instead.
import { GraphBuilder, rowsOf, type ActivationName, type Value } from '../../graph/builder.js';
import type { Program } from '../../graph/program.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { Config } from '../checkpoint/config.js';
import type { WeightScope } from '../checkpoint/weights.js';
import type { NamedTensor, Processor } from '../family.js';
import { mergeOrder, qwenImageProcessor, type PatchExtent } from '../processors/qwen-image.js';
import { bicubicTaps, gridTaps, type Taps } from './position-tables.js';
import { patchPositions, segmentInput, visionAttention, visionRope, wholeImage } from './qwen.js';

export interface Glm4vTower {
  /** Blocks have biases, and q and k are normed (GLM-OCR). */
  ocr: boolean;
  /** Width inside the blocks' MLP. */
  inner: number;
  /** Width inside the merger's MLP. */
  mergerInner: number;
}

/** Of torch's LayerNorm, which no file states. */
const LAYER_NORM_EPS = 1e-5;
const POSITION_TAPS = 16;

/** Of the configuration classes; files leave out what equals them. */
export function glm4vVisionConfig(config: Config): Config {
  return config.section('vision_config').withDefaults({
    image_size: 336,
    patch_size: 14,
    spatial_merge_size: 2,
    temporal_patch_size: 2,
    in_channels: 3,
    rms_norm_eps: 1e-5,
    hidden_act: 'silu',
  });
}

export function glm4vProcessor(
  checkpoint: Checkpoint,
  imageToken: string,
  tableSide: number | null,
): Processor {
  return qwenImageProcessor(checkpoint, {
    imageToken,
    volumes: true,
    symbols: () => ({ segments: 2 }),
    tables: (extent) => ({
      patch_positions: patchPositions(extent),
      segments: wholeImage(extent),
      ...(tableSide && positionTaps(extent, tableSide)),
    }),
  });
}

function positionTaps(extent: PatchExtent, side: number): Record<string, NamedTensor> {
  const axis = (n: number): Taps[] => Array.from({ length: n }, (_, i) => bicubicTaps(i, n, side));
  const { index, weight } = gridTaps(mergeOrder(extent), axis(extent.rows), axis(extent.columns), side);
  return { position_index: index, position_weight: weight };
}

export function glm4vVisionEncoder(
  config: Config,
  hidden: number,
  w: WeightScope,
  tower: Glm4vTower,
): Program {
  const g = new GraphBuilder('vision');
  const width = config.count('hidden_size');
  const heads = config.count('num_heads');
  const eps = config.number('rms_norm_eps');
  const merge = config.count('spatial_merge_size');
  const activation = config.string('hidden_act') as ActivationName;
  const segments = segmentInput(g, 'segments');
  const bias = tower.ocr;
  const { x: patches, rope } = embedded(g, config, w, tower);
  let x = patches;
  for (let i = 0; i < config.parts('depth'); i++) {
    const block: WeightScope = (name) => w(`blocks.${i}.${name}`);
    const options = { bias, ...(tower.ocr && { qkNormEps: eps }) };
    const a = g.rmsNorm(x, block('norm1'), eps);
    x = g.add(x, visionAttention(g, a, block, heads, rope, segments, options));
    const f = g.rmsNorm(x, block('norm2'), eps);
    x = g.named(
      `blocks.${i}.output`,
      g.add(
        x,
        gated(g, f, (name) => block(`mlp.${name}`), tower.inner, activation, bias),
      ),
    );
  }
  const normed = g.rmsNorm(x, w('post_layernorm'), eps);
  g.output(
    'features',
    merged(g, g.regroup(normed, merge * merge), w, { width, merge, hidden, activation, tower }),
  );
  return g.finish();
}

/** Patches with their places: [patches, width], and the rotary table. */
function embedded(
  g: GraphBuilder,
  config: Config,
  w: WeightScope,
  { ocr }: Glm4vTower,
): { x: Value; rope: Value } {
  const [width, patch] = [config.count('hidden_size'), config.count('patch_size')];
  const [channels, frames] = [config.count('in_channels'), config.count('temporal_patch_size')];
  const patches = rowsOf('patches');
  const pixels = g.input('pixel_values', { rows: patches, width: channels * frames * patch * patch });
  const positions = g.input('patch_positions', { rows: patches, width: 2, dtype: 'i32' });
  const embed = w('patch_embed.proj');
  const kernel = embed.patchKernel(width, channels, [frames, patch, patch]);
  const x = g.matmul(pixels, kernel, embed.bias(width));
  const rope = visionRope(g, positions, width / config.count('num_heads'));
  if (ocr) return { x, rope };
  const side = config.count('image_size') / patch;
  const index = g.input('position_index', { rows: patches, width: POSITION_TAPS, dtype: 'i32' });
  const weight = g.input('position_weight', { rows: patches, width: POSITION_TAPS });
  const table = w('embeddings.position_embedding').matrix(side * side, width);
  const normed = g.rmsNorm(x, w('post_conv_layernorm'), config.number('rms_norm_eps'));
  return { x: g.add(normed, g.weightedRows(table, index, weight)), rope };
}

/** down(f(gate x) · up x) */
function gated(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  inner: number,
  activation: ActivationName,
  bias: boolean,
): Value {
  const [gate, up] = ['gate_proj', 'up_proj'].map((name) => g.linear(x, w(name), inner, { bias }));
  return g.linear(g.gatedActivation(gate!, up!, activation), w('down_proj'), x.width, { bias });
}

interface MergerShape {
  width: number;
  merge: number;
  hidden: number;
  activation: ActivationName;
  tower: Glm4vTower;
}

/** merge² patches side by side → [tokens, hidden] */
function merged(
  g: GraphBuilder,
  grouped: Value,
  w: WeightScope,
  { width, merge, hidden, activation, tower }: MergerShape,
): Value {
  const kernel = w('downsample');
  const channelsLast = kernel.shape?.at(-1) === width;
  const down = g.matmul(
    grouped,
    kernel.tapKernel(hidden, width, [merge, merge], channelsLast),
    kernel.bias(hidden),
  );
  const normed = g.layerNorm(
    g.linear(down, w('merger.proj'), hidden),
    w('merger.post_projection_norm'),
    LAYER_NORM_EPS,
  );
  const at: WeightScope = (name) => w(`merger.${name}`);
  return gated(g, g.activation(normed, 'gelu'), at, tower.mergerInner, activation, false);
}
