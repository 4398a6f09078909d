// Gemma 3n from a checkpoint that has names and shapes but no values: the geometry of its tower's convolutions, where
// its last layers find their keys, and what it says of a wrong config.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Program } from '../../src/graph/program.js';
import type { Checkpoint } from '../../src/models/checkpoint/checkpoint.js';
import type { NamedTensor } from '../../src/models/family.js';
import { gemma3n } from '../../src/models/gemma3n.js';
import { mobileNetV5 } from '../../src/models/towers/mobilenet_v5.js';
import { normalQuantile } from '../../src/models/decoders/normal-quantile.js';
import { weightScope } from '../../src/models/checkpoint/weights.js';

const TOWER = 'model.vision_tower.timm_model.';
const LAYERS = 5;
const KINDS = [
  'sliding_attention',
  'full_attention',
  'sliding_attention',
  'full_attention',
  'sliding_attention',
];

/** Convolutions as [out, in, kernel]; `in` 1 where they are depthwise. */
function towerShapes(): Record<string, number[]> {
  const convolutions: Record<string, [number, number, number]> = {
    'conv_stem.conv': [4, 3, 3],
    'blocks.0.0.conv_exp': [8, 4, 3],
    'blocks.0.0.conv_pwl': [4, 8, 1],
    'blocks.1.0.dw_start.conv': [4, 1, 3],
    'blocks.1.0.pw_exp.conv': [8, 4, 1],
    'blocks.1.0.dw_mid.conv': [8, 1, 5],
    'blocks.1.0.pw_proj.conv': [4, 8, 1],
    'blocks.1.1.attn.query.proj': [16, 4, 1],
    'blocks.1.1.attn.key.down_conv': [4, 1, 3],
    'blocks.1.1.attn.key.proj': [8, 4, 1],
    'blocks.1.1.attn.value.down_conv': [4, 1, 3],
    'blocks.1.1.attn.value.proj': [8, 4, 1],
    'blocks.1.1.attn.output.proj': [4, 16, 1],
    'blocks.2.0.pw_exp.conv': [8, 4, 1],
    'blocks.2.0.dw_mid.conv': [8, 1, 5],
    'blocks.2.0.pw_proj.conv': [4, 8, 1],
    'msfa.ffn.pw_exp.conv': [16, 8, 1],
    'msfa.ffn.pw_proj.conv': [32, 16, 1],
  };
  const norms: Record<string, number> = {
    'conv_stem.bn': 4,
    'blocks.0.0.bn1': 8,
    'blocks.0.0.bn2': 4,
    'blocks.1.0.dw_start.bn': 4,
    'blocks.1.0.pw_exp.bn': 8,
    'blocks.1.0.dw_mid.bn': 8,
    'blocks.1.0.pw_proj.bn': 4,
    'blocks.1.1.norm': 4,
    'blocks.1.1.attn.key.norm': 4,
    'blocks.1.1.attn.value.norm': 4,
    'blocks.2.0.pw_exp.bn': 8,
    'blocks.2.0.dw_mid.bn': 8,
    'blocks.2.0.pw_proj.bn': 4,
    'msfa.ffn.pw_exp.bn': 16,
    'msfa.ffn.pw_proj.bn': 32,
    'msfa.norm': 32,
  };
  return {
    ...Object.fromEntries(
      Object.entries(convolutions).map(([name, [out, into, k]]) => [`${name}.weight`, [out, into, k, k]]),
    ),
    ...Object.fromEntries(Object.entries(norms).map(([name, width]) => [`${name}.weight`, [width]])),
    'conv_stem.conv.bias': [4],
    'blocks.1.1.layer_scale.gamma': [4],
  };
}

function textShapes(): Record<string, number[]> {
  const shapes: Record<string, number[]> = {
    embed_tokens: [24, 16],
    embed_tokens_per_layer: [20, LAYERS * 4],
    per_layer_model_projection: [LAYERS * 4, 16],
    per_layer_projection_norm: [4],
    norm: [16],
  };
  for (const name of ['altup_projections', 'altup_unembed_projections'])
    for (let i = 0; i < 3; i++) shapes[`${name}.${i}`] = [16, 16];
  const layer: Record<string, number[]> = {
    'altup.correction_coefs': [4, 4],
    'altup.prediction_coefs': [16, 4],
    'altup.modality_router': [4, 16],
    'altup.router_norm': [16],
    input_layernorm: [16],
    'laurel.linear_left': [2, 16],
    'laurel.linear_right': [16, 2],
    'laurel.post_laurel_norm': [16],
    'mlp.gate_proj': [32, 16],
    'mlp.up_proj': [32, 16],
    'mlp.down_proj': [16, 32],
    per_layer_input_gate: [4, 16],
    per_layer_projection: [16, 4],
    post_attention_layernorm: [16],
    post_feedforward_layernorm: [16],
    post_per_layer_input_norm: [16],
    pre_feedforward_layernorm: [16],
    'self_attn.q_proj': [16, 16],
    'self_attn.q_norm': [8],
    'self_attn.k_proj': [8, 16],
    'self_attn.k_norm': [8],
    'self_attn.v_proj': [8, 16],
    'self_attn.o_proj': [16, 16],
  };
  for (let i = 0; i < LAYERS; i++)
    for (const [name, shape] of Object.entries(layer)) shapes[`layers.${i}.${name}`] = shape;
  const weights = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [`${name}.weight`, shape]),
  );
  for (let i = 0; i < LAYERS; i++) weights[`layers.${i}.altup.correct_output_scale`] = [16];
  return weights;
}

const embedderShapes = (): Record<string, number[]> => ({
  'embedding.weight': [2, 32],
  'hard_embedding_norm.weight': [32],
  'soft_embedding_norm.weight': [32],
  'embedding_projection.weight': [16, 32],
});

function checkpoint(text: Record<string, unknown> = {}, mlx = false): Checkpoint {
  const tensors: Checkpoint['tensors'] = new Map();
  const add = (prefix: string, shapes: Record<string, number[]>): void => {
    for (const [name, shape] of Object.entries(shapes)) {
      const [out, into, ...kernel] = shape as [number, number, ...number[]];
      const stored = mlx && shape.length === 4 ? [out, ...kernel, into] : shape;
      tensors.set(prefix + name, { dtype: 'F32', shape: stored });
    }
  };
  add(TOWER, towerShapes());
  add('model.language_model.', textShapes());
  for (const kind of ['vision', 'audio']) add(`model.embed_${kind}.`, embedderShapes());
  const tower = (vocab_offset: number): object => ({ hidden_size: 32, vocab_size: 2, vocab_offset });
  return {
    folder: '',
    config: {
      model_type: 'gemma3n',
      image_token_id: 21,
      vision_soft_tokens_per_image: 16,
      eos_token_id: 1,
      vision_config: tower(20),
      audio_config: tower(22),
      text_config: {
        vocab_size: 24,
        vocab_size_per_layer_input: 20,
        hidden_size: 16,
        hidden_size_per_layer_input: 4,
        intermediate_size: 32,
        num_hidden_layers: LAYERS,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 8,
        layer_types: KINDS,
        num_kv_shared_layers: 2,
        sliding_window: 7,
        laurel_rank: 2,
        activation_sparsity_pattern: [0.95, 0, 0, 0, 0],
        ...text,
      },
    },
    generationConfig: {},
    imageProcessor: {
      size: { height: 64, width: 64 },
      do_normalize: false,
      rescale_factor: 1 / 255,
      resample: 2,
    },
    processor: {},
    tensors,
    files: [],
    tokenId: () => undefined,
  };
}

function tower(
  side: number,
  resolution = side / 16,
  mlx = false,
): { program: Program; tables: Record<string, NamedTensor> } {
  const g = new GraphBuilder('vision');
  const weights = weightScope(checkpoint({}, mlx), [TOWER], 'conv_stem.conv');
  const { features, tables } = mobileNetV5(g, weights, side, resolution);
  g.output('features', features);
  return { program: g.finish(), tables: tables() };
}

const row = ({ data, width }: NamedTensor, r: number): number[] =>
  Array.from(data.slice(r * width, (r + 1) * width));

test('quantiles of the normal distribution', () => {
  for (const [p, z] of [
    [0.5, 0],
    [0.8, 0.8416212335729143],
    [0.95, 1.6448536269514722],
    [0.001, -3.090232306167813],
    [0.9999, 3.719016485455709],
  ] as const)
    assert.ok(Math.abs(normalQuantile(p) - z) < 1e-12, `${p}: ${normalQuantile(p)}`);
});

test('a stride of two pads behind the image, a stride of one on both sides', () => {
  const { tables } = tower(64);
  const halved = tables['taps_64_3_2']!;
  assert.deepEqual([halved.rows, halved.width], [32 * 32, 9]);
  assert.deepEqual(row(halved, 0), [0, 1, 2, 64, 65, 66, 128, 129, 130]);
  assert.deepEqual(row(halved, 32 * 32 - 1), [4030, 4031, -1, 4094, 4095, -1, -1, -1, -1]);
  const same = tables['taps_16_3_1']!;
  assert.deepEqual(row(same, 0), [-1, -1, -1, -1, 0, 1, -1, 16, 17]);
  assert.deepEqual(row(tables['taps_16_5_2']!, 0).slice(0, 7), [-1, -1, -1, -1, -1, -1, 0]);
});

test('the smaller image is enlarged by its nearest pixels, blocks of pixels are averaged', () => {
  const { tables } = tower(64, 4);
  assert.deepEqual(row(tables['enlarged_index']!, 0), [0]);
  assert.deepEqual(row(tables['enlarged_index']!, 3 * 8 + 5), [1 * 4 + 2]);
  assert.deepEqual(row(tables['pool_index']!, 5), [18, 19, 26, 27]);
  assert.deepEqual(row(tables['pool_weight']!, 5), [0.25, 0.25, 0.25, 0.25]);
});

test('queries at four times as many pixels as keys become four times as many heads', () => {
  const { program } = tower(64);
  const attention = program.ops.find(({ op }) => op === 'segmentAttention')!;
  const rows = program.values[attention.in[0]!]!.rows as { mul?: number; div?: number };
  assert.deepEqual([attention.attrs['heads'], attention.attrs['kvHeads']], [8, 1]);
  assert.equal((64 * 64 * rows.mul!) / rows.div!, 16);
});

test('kernels are read in either order of their axes', () => {
  const stem = (mlx: boolean): unknown =>
    tower(64, 4, mlx).program.weights.find(({ name }) => name.endsWith('conv_stem.conv.weight'))!.permute;
  const depthwise = (mlx: boolean): unknown =>
    tower(64, 4, mlx).program.weights.find(({ name }) => name.endsWith('dw_mid.conv.weight'))!.permute;
  assert.deepEqual([stem(false), stem(true)], [[0, 2, 3, 1], undefined]);
  assert.deepEqual(
    [depthwise(false), depthwise(true)],
    [
      [2, 3, 1, 0],
      [1, 2, 3, 0],
    ],
  );
});

test('image sizes that do not halve five times are refused', () => {
  assert.throws(() => tower(72), { code: 'INVALID_PROGRAM', message: /multiple of 32 pixels, not 72/ });
});

test('the last layers read the keys of the last layer of their kind that has some', () => {
  const { decoder } = gemma3n.build(checkpoint());
  assert.equal(decoder.kv!.layers.length, LAYERS - 2);
  const attention = decoder.ops.filter(({ op }) => op === 'attention');
  assert.deepEqual(
    attention.map(({ in: [, k], attrs }) => [k! >= 0, attrs['layer'], attrs['window'] ?? 0]),
    [
      [true, 0, 7],
      [true, 1, 0],
      [true, 2, 7],
      [false, 1, 0],
      [false, 2, 7],
    ],
  );
});

test('an image is one square, whatever its shape', () => {
  const { processor } = gemma3n.build(checkpoint());
  const plan = processor.plan(300, 20);
  assert.deepEqual([plan.tokens, plan.viewedWidth, plan.viewedHeight], [16, 64, 64]);
  assert.equal(plan.placeholder.match(/<image_soft_token>/g)!.length, 16);
  const image = { width: 2, height: 1, data: new Uint8Array([0, 51, 255, 0, 51, 255]) };
  const pixels = processor.inputs(image, processor.plan(2, 1))['pixel_values']!;
  assert.deepEqual([pixels.rows, pixels.width], [64 * 64, 3]);
  assert.deepEqual(Array.from(pixels.data.slice(0, 3)), [0, Math.fround(0.2), 1]);
});

test('a list of another length than the layers is refused by its name', () => {
  assert.throws(() => gemma3n.build(checkpoint({ activation_sparsity_pattern: [0.95, 0] })), {
    code: 'INVALID_CHECKPOINT',
    message: /one number or 5 for "activation_sparsity_pattern"/,
  });
});
