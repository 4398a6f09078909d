// Pixtral's vision encoder (Agrawal et al. 2024, https://arxiv.org/abs/2410.07073): images of any size, RMSNorm, gated
// MLP, rotary positions whose even frequencies follow the row and whose odd ones follow the column.
import { GraphBuilder, rowsOf, type ActivationName, type Value } from '../../graph/builder.js';
import type { Program } from '../../graph/program.js';
import { AfterimageError } from '../../errors.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { Config } from '../checkpoint/config.js';
import { geometricFrequencies, ropeSettings } from '../rope.js';
import { segmentInput } from './qwen.js';
import { weightScope, type WeightScope } from '../checkpoint/weights.js';

const RMS_NORM_EPS = 1e-5;

/** Pixtral's vision_config, whose class defaults are left out of files. */
export function pixtralConfig(config: Config): Config {
  return config.section('vision_config').withDefaults({
    hidden_size: 1024,
    intermediate_size: 4096,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    patch_size: 16,
    hidden_act: 'gelu',
  });
}

/** The same for the decoder behind it: Mistral's class, Ministral 3's or Llama's. */
export function mistralConfig(config: Config): Config {
  const text = config.section('text_config');
  const kind = text.string('model_type', 'mistral');
  return text.withDefaults({
    vocab_size: 32000,
    hidden_size: 4096,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    ...(kind === 'llama'
      ? { intermediate_size: 11008 }
      : { intermediate_size: 14336, num_key_value_heads: 8 }),
    rms_norm_eps: kind === 'ministral3' ? 1e-5 : 1e-6,
  });
}

export const pixtralWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(
    checkpoint,
    ['vision_tower.', 'model.vision_tower.', 'vision_tower.vision_model.', 'model.vision_encoder.'],
    'patch_conv',
  );
export const projectorWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(
    checkpoint,
    ['multi_modal_projector.', 'model.multi_modal_projector.', 'model.vision_projection.'],
    'linear_1',
  );

/** Patches in raster order, the image as one segment. Returns [patches, hidden] of the chosen layer. */
export function pixtralTower(g: GraphBuilder, vision: Config, w: WeightScope, featureLayer: number): Value {
  const width = vision.count('hidden_size');
  const inner = vision.count('intermediate_size');
  const heads = vision.count('num_attention_heads');
  const headDim = vision.count('head_dim', width / heads);
  const patch = vision.count('patch_size');
  const activation = vision.string('hidden_act', 'gelu') as ActivationName;
  const layers = outputLayer(vision.parts('num_hidden_layers'), featureLayer);

  const patches = rowsOf('patches');
  const pixels = g.input('pixel_values', { rows: patches, width: 3 * patch * patch });
  const positions = g.input('patch_positions', { rows: patches, width: 2, dtype: 'i32' });
  const segments = segmentInput(g, 'segments');
  const rope = pixtralRope(g, positions, vision, headDim);

  let x = g.rmsNorm(
    g.matmul(pixels, w('patch_conv').patchKernel(width, 3, [patch, patch])),
    w('ln_pre'),
    RMS_NORM_EPS,
  );
  for (let i = 0; i < layers; i++) {
    const layer: WeightScope = (name) => w(`transformer.layers.${i}.${name}`);
    const a = g.rmsNorm(x, layer('attention_norm'), RMS_NORM_EPS);
    x = g.add(x, attention(g, a, layer, { heads, headDim }, rope, segments));
    const f = g.rmsNorm(x, layer('ffn_norm'), RMS_NORM_EPS);
    const gate = g.linear(f, layer('feed_forward.gate_proj'), inner);
    const up = g.linear(f, layer('feed_forward.up_proj'), inner);
    x = g.add(x, g.linear(g.gatedActivation(gate, up, activation), layer('feed_forward.down_proj'), width));
    g.named(`blocks.${i}.output`, x);
  }
  return x;
}

/** How many layers to run so that `featureLayer` (−1: the last) is the output. */
export function outputLayer(layers: number, featureLayer: number): number {
  const count = featureLayer < 0 ? layers + 1 + featureLayer : featureLayer;
  if (Number.isInteger(count) && count >= 1 && count <= layers) return count;
  throw new AfterimageError(
    'INVALID_CHECKPOINT',
    `"vision_feature_layer" ${featureLayer} is not one of the ${layers} vision layers; download the checkpoint again.`,
  );
}

function pixtralRope(g: GraphBuilder, positions: Value, vision: Config, headDim: number): Value {
  const f = geometricFrequencies(ropeSettings(vision, { theta: 10000 }).theta, headDim);
  const [rows, columns] = [f.filter((_, k) => k % 2 === 0), f.filter((_, k) => k % 2 === 1)];
  return g.ropeTable(positions, {
    invFreq: [...rows, ...columns],
    axis: [...rows.map(() => 0), ...columns.map(() => 1)],
  });
}

function attention(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  { heads, headDim }: { heads: number; headDim: number },
  rope: Value,
  segments: Value,
): Value {
  const q = g.rope(g.linear(x, w('attention.q_proj'), heads * headDim), rope, heads);
  const k = g.rope(g.linear(x, w('attention.k_proj'), heads * headDim), rope, heads);
  const v = g.linear(x, w('attention.v_proj'), heads * headDim);
  const o = g.segmentAttention(q, k, v, segments, {
    heads,
    kvHeads: heads,
    kDim: headDim,
    scale: headDim ** -0.5,
  });
  return g.linear(o, w('attention.o_proj'), x.width);
}

export interface MergerOptions {
  /** Symbol of the patches that are merged. */
  merged: string;
  layer?: number;
}

/** Pixtral's tower, norm, merge² patches to a row, linear → GELU → linear. */
export function mergedVisionEncoder(
  checkpoint: Checkpoint,
  config: Config,
  { merged: symbol, layer = config.number('vision_feature_layer', -1) }: MergerOptions,
): Program {
  const g = new GraphBuilder('vision');
  const vision = pixtralConfig(config);
  const merge = config.count('spatial_merge_size', 2);
  const x = pixtralTower(g, vision, pixtralWeights(checkpoint), layer); // [patches, width]
  const order = g.input('block_order', { rows: rowsOf(symbol), width: 1, dtype: 'i32' });

  const w = projectorWeights(checkpoint);
  const eps = mistralConfig(config).number('rms_norm_eps');
  const normed = g.rmsNorm(x, w('norm'), eps);
  const blocks = g.regroup(g.gatherRows(normed, order), merge * merge); // [tokens, merge²·width]
  // The merger's columns are channel-major: channel, then place inside the block.
  const merged = g.linear(
    g.transposeInner(blocks, merge * merge),
    w('patch_merger.merging_layer'),
    vision.count('hidden_size'),
  );
  g.output('features', project(g, merged, w, config, false));
  return g.finish();
}

/** linear → activation → linear. [tokens, width] → [tokens, hidden] */
export function project(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  config: Config,
  biasByDefault: boolean,
): Value {
  const hidden = mistralConfig(config).count('hidden_size');
  const bias = config.boolean('multimodal_projector_bias', biasByDefault);
  const inner = g.activation(
    g.linear(x, w('linear_1'), hidden, { bias }),
    config.string('projector_hidden_act', 'gelu') as ActivationName,
  );
  return g.linear(inner, w('linear_2'), hidden, { bias });
}
