// The vision encoder of Qwen3-VL and Qwen3.5: a learned position table read bilinearly, rotary positions besides, and
// features of chosen blocks on the side (DeepStack, Meng et al. 2024, https://arxiv.org/abs/2406.04334).
import { GraphBuilder, rowsOf, type ActivationName, type Value } from '../../graph/builder.js';
import type { Program } from '../../graph/program.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { Config } from '../checkpoint/config.js';
import type { NamedTensor, Processor } from '../family.js';
import { bilinearCornerTaps, gridTaps, tableSide } from './position-tables.js';
import { mergeOrder, qwenImageProcessor, type PatchExtent } from '../processors/qwen-image.js';
import { QWEN_IMAGE_TOKEN, QWEN_VIDEO_TOKEN } from '../qwen2_vl.js';
import { patchPositions, segmentInput, visionAttention, visionRope, wholeImage } from './qwen.js';
import type { WeightScope } from '../checkpoint/weights.js';

const LAYER_NORM_EPS = 1e-6;
const POSITION_TAPS = 4;
/** A block for each moment, behind the time in words. */
const TIMELINE = {
  videoToken: QWEN_VIDEO_TOKEN,
  limits: { minPixels: 128 * 32 * 32, maxPixels: 768 * 32 * 32 },
  told: true,
};

/** vision_config with the class defaults that files leave out; `tapped`: blocks whose features join by DeepStack. */
export function qwen3VisionConfig(config: Config, tapped: number[]): Config {
  return config.section('vision_config').withDefaults({
    depth: 27,
    hidden_size: 1152,
    intermediate_size: 4304,
    num_heads: 16,
    patch_size: 16,
    spatial_merge_size: 2,
    temporal_patch_size: 2,
    num_position_embeddings: 2304,
    deepstack_visual_indexes: tapped,
  });
}

export function qwen3Processor(checkpoint: Checkpoint, vision: Config): Processor {
  const side = tableSide(vision.count('num_position_embeddings'));
  return qwenImageProcessor(checkpoint, {
    imageToken: QWEN_IMAGE_TOKEN,
    symbols: () => ({ segments: 2 }),
    tables: (extent) => ({
      patch_positions: patchPositions(extent),
      segments: wholeImage(extent),
      ...positionTaps(extent, side),
    }),
    timeline: TIMELINE,
  });
}

function positionTaps(extent: PatchExtent, side: number): Record<string, NamedTensor> {
  const axis = (n: number): ReturnType<typeof bilinearCornerTaps>[] =>
    Array.from({ length: n }, (_, i) => bilinearCornerTaps(i, n, side));
  const { index, weight } = gridTaps(mergeOrder(extent), axis(extent.rows), axis(extent.columns), side);
  return { position_index: index, position_weight: weight };
}

export function qwen3VisionEncoder(config: Config, hidden: number, w: WeightScope): Program {
  const g = new GraphBuilder('vision');
  const width = config.count('hidden_size');
  const heads = config.count('num_heads');
  const inner = config.count('intermediate_size');
  const activation = config.string('hidden_act', 'gelu_pytorch_tanh') === 'gelu' ? 'gelu' : 'gelu_tanh';
  const patch = config.count('patch_size');
  const merge = config.count('spatial_merge_size');
  const channels = config.count('in_channels', 3);
  const frames = config.count('temporal_patch_size');
  const tapped = config.numbers('deepstack_visual_indexes');

  const patches = rowsOf('patches');
  const pixels = g.input('pixel_values', { rows: patches, width: channels * frames * patch * patch });
  const positions = g.input('patch_positions', { rows: patches, width: 2, dtype: 'i32' });
  const segments = segmentInput(g, 'segments');
  const tapIndex = g.input('position_index', { rows: patches, width: POSITION_TAPS, dtype: 'i32' });
  const tapWeight = g.input('position_weight', { rows: patches, width: POSITION_TAPS });
  const rope = visionRope(g, positions, width / heads);

  const embed = w('patch_embed.proj');
  const embedded = g.matmul(
    pixels,
    embed.patchKernel(width, channels, [frames, patch, patch]),
    embed.bias(width),
  );
  const table = w('pos_embed').matrix(config.count('num_position_embeddings'), width);
  let x = g.add(embedded, g.weightedRows(table, tapIndex, tapWeight)); // [patches, width]
  const deepstack: Value[] = [];
  for (let i = 0; i < config.parts('depth'); i++) {
    x = block(g, x, (name) => w(`blocks.${i}.${name}`), { heads, inner, activation, rope, segments });
    g.named(`blocks.${i}.output`, x);
    const tap = tapped.indexOf(i);
    if (tap >= 0) {
      const merged: WeightScope = (name) => w(`deepstack_merger_list.${tap}.${name}`);
      deepstack.push(deepstackMerger(g, x, merged, merge, hidden)); // in the order of the blocks
    }
  }
  const normed = g.layerNorm(x, w('merger.norm'), LAYER_NORM_EPS); // before grouping
  g.output(
    'features',
    project(g, g.regroup(normed, merge * merge), (name) => w(`merger.${name}`), hidden),
  );
  deepstack.forEach((features, i) => g.output(`features.${i + 1}`, features));
  return g.finish();
}

interface BlockShape {
  heads: number;
  inner: number;
  activation: ActivationName;
  rope: Value;
  segments: Value;
}

function block(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  { heads, inner, activation, rope, segments }: BlockShape,
): Value {
  const attended = g.add(
    x,
    visionAttention(g, g.layerNorm(x, w('norm1'), LAYER_NORM_EPS), w, heads, rope, segments),
  );
  const f = g.linear(g.layerNorm(attended, w('norm2'), LAYER_NORM_EPS), w('mlp.linear_fc1'), inner, {
    bias: true,
  });
  return g.add(attended, g.linear(g.activation(f, activation), w('mlp.linear_fc2'), x.width, { bias: true }));
}

/** Unlike the last merger it norms after grouping. */
function deepstackMerger(g: GraphBuilder, x: Value, w: WeightScope, merge: number, hidden: number): Value {
  const grouped = g.regroup(x, merge * merge); // [tokens, merge²·width]
  return project(g, g.layerNorm(grouped, w('norm'), LAYER_NORM_EPS), w, hidden);
}

function project(g: GraphBuilder, x: Value, w: WeightScope, hidden: number): Value {
  const inner = g.activation(g.linear(x, w('linear_fc1'), x.width, { bias: true }), 'gelu');
  return g.linear(inner, w('linear_fc2'), hidden, { bias: true });
}
