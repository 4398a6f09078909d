// Every stored form of a matrix through the native core, against the plain reading in test/goldens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRunner, loadAddon, type Runner } from '../../src/engine/native.js';
import { GraphBuilder, rowsOf } from '../../src/graph/builder.js';
import { openCheckpoint } from '../../src/models/checkpoint/checkpoint-folder.js';
import { routedExperts } from '../../src/models/decoders/experts.js';
import { openModel } from '../../src/models/registry.js';
import { weightScope } from '../../src/models/checkpoint/weights.js';
import { ReferenceRunner } from '../goldens/reference.js';
import { largestDifference } from '../goldens/tally.js';
import { prefill, type Prompt } from '../goldens/timeline.js';
import {
  tinyConfig,
  tinyTensors,
  writeCheckpoint,
  type Tensors,
  type TensorSpec,
} from './tiny-checkpoint.js';

const LAYER = 'model.text_model.layers.0.';
const MATRICES = [
  'self_attn.q_proj',
  'self_attn.k_proj',
  'self_attn.v_proj',
  'self_attn.o_proj',
  'mlp.gate_proj',
  'mlp.up_proj',
  'mlp.down_proj',
].map((name) => LAYER + name);

/** Mulberry32: the same bytes on every machine. */
function randomBytes(seed: number): (count: number) => Uint8Array {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
  return (count) => Uint8Array.from({ length: count }, () => next() & 255);
}

const bytes = randomBytes(7);
const asBytes = (values: Float32Array | Uint16Array): Uint8Array => new Uint8Array(values.buffer);
const around = (count: number, size: number, offset = 0): Float32Array =>
  Float32Array.from(bytes(count), (b) => offset + (size * (b - 127.5)) / 128);
const bf16 = (values: Float32Array): Uint16Array =>
  Uint16Array.from(new Uint32Array(values.buffer.slice(0)), (bits) => bits >>> 16);
const f32 = (shape: number[], size: number, offset = 0): TensorSpec => ({
  dtype: 'F32',
  shape,
  bytes: asBytes(
    around(
      shape.reduce((a, b) => a * b, 1),
      size,
      offset,
    ),
  ),
});
const asBf16 = (shape: number[], size: number): TensorSpec => ({
  dtype: 'BF16',
  shape,
  bytes: asBytes(
    bf16(
      around(
        shape.reduce((a, b) => a * b, 1),
        size,
      ),
    ),
  ),
});

/** E4M3 without its two NaN codes. */
const e4m3 = (count: number): Uint8Array => bytes(count).map((b) => ((b & 127) === 127 ? b & 0xf0 : b));

type Form = (path: string, rows: number, columns: number) => Tensors;

const affine =
  (bits: number, group: number): Form =>
  (path, rows, columns) => ({
    [`${path}.weight`]: {
      dtype: 'U32',
      shape: [rows, (columns * bits) / 32],
      bytes: bytes((rows * columns * bits) / 8),
    },
    [`${path}.scales`]: asBf16([rows, columns / group], 0.3 / 2 ** bits),
    [`${path}.biases`]: asBf16([rows, columns / group], 0.1),
  });

const codes =
  (bits: number, group: number, scale: (count: number) => Uint8Array): Form =>
  (path, rows, columns) => ({
    [`${path}.weight`]: {
      dtype: 'U32',
      shape: [rows, (columns * bits) / 32],
      bytes: bits === 8 ? e4m3(rows * columns) : bytes((rows * columns) / 2),
    },
    [`${path}.scales`]: {
      dtype: 'U8',
      shape: [rows, columns / group],
      bytes: scale((rows * columns) / group),
    },
  });

const smallPowers = (count: number): Uint8Array => bytes(count).map((b) => 122 + (b % 4));
const FORMS: Record<string, Form> = {
  'affine 2 bit, group 32': affine(2, 32),
  'affine 3 bit, group 64': affine(3, 64),
  'affine 4 bit, group 64': affine(4, 64),
  'affine 5 bit, group 32': affine(5, 32),
  'affine 6 bit, group 64': affine(6, 64),
  'affine 8 bit, group 32': affine(8, 32),
  mxfp4: codes(4, 32, smallPowers),
  mxfp8: codes(8, 32, (count) => bytes(count).map((b) => 114 + (b % 4))),
  nvfp4: codes(4, 16, (count) => bytes(count).map((b) => 24 + (b % 8))),
  'fp8 in tiles': (path, rows, columns) => ({
    [`${path}.weight`]: { dtype: 'F8_E4M3', shape: [rows, columns], bytes: e4m3(rows * columns) },
    [`${path}.weight_scale_inv`]: f32([Math.ceil(rows / 48), Math.ceil(columns / 48)], 0.002, 0.004),
  }),
  'fp8 with one scale': (path, rows, columns) => ({
    [`${path}.weight`]: { dtype: 'F8_E4M3', shape: [rows, columns], bytes: e4m3(rows * columns) },
    [`${path}.weight_scale_inv`]: { dtype: 'F32', shape: [], bytes: asBytes(Float32Array.of(0.003)) },
  }),
  'int4 pack-quantized': (path, rows, columns) => ({
    [`${path}.weight_packed`]: {
      dtype: 'I32',
      shape: [rows, columns / 8],
      bytes: bytes((rows * columns) / 2),
    },
    [`${path}.weight_scale`]: asBf16([rows, columns / 32], 0.05),
    [`${path}.weight_shape`]: {
      dtype: 'I32',
      shape: [2],
      bytes: new Uint8Array(Int32Array.of(rows, columns).buffer),
    },
  }),
  bfloat16: (path, rows, columns) => ({ [`${path}.weight`]: asBf16([rows, columns], 0.2) }),
};

function checkpointWith(form: Form): string {
  const tensors = tinyTensors();
  for (const [name, { shape }] of Object.entries(tensors))
    tensors[name] = f32(shape, shape.length === 1 ? 0.2 : 0.5, name.includes('norm') ? 1 : 0);
  for (const path of MATRICES) {
    const [rows, columns] = tensors[`${path}.weight`]!.shape as [number, number];
    delete tensors[`${path}.weight`];
    Object.assign(tensors, form(path, rows, columns));
  }
  const config = { ...tinyConfig(), quantization_config: { weight_block_size: [48, 48] } };
  return writeCheckpoint({ config, files: { 'model.safetensors': tensors } });
}

/** Experts one by one, as the hub stores them. */
const listed =
  (form: Form): ExpertForm =>
  (name, experts, rows, columns) =>
    Object.assign(
      {},
      ...Array.from({ length: experts }, (_, e) => form(`mlp.experts.${e}.${name}`, rows, columns)),
    ) as Tensors;

/** Experts in one tensor under switch_mlp, as MLX stores them. */
const stacked =
  (form: Form): ExpertForm =>
  (name, experts, rows, columns) => {
    const flat = Object.entries(form(`mlp.switch_mlp.${name}`, experts * rows, columns));
    const unflat = ([path, tensor]: [string, TensorSpec]): [string, TensorSpec] => [
      path,
      { ...tensor, shape: [experts, tensor.shape[0]! / experts, ...tensor.shape.slice(1)] },
    ];
    return Object.fromEntries(flat.map(unflat));
  };

type ExpertForm = (name: string, experts: number, rows: number, columns: number) => Tensors;

const EXPERT_FORMS: Record<string, ExpertForm> = {
  'int4 pack-quantized, one by one': listed(FORMS['int4 pack-quantized']!),
  'fp8 in tiles, one by one': listed(FORMS['fp8 in tiles']!),
  'affine 4 bit, stacked': stacked(affine(4, 64)),
  'affine 6 bit, stacked': stacked(affine(6, 64)),
  'mxfp4, stacked': stacked(FORMS['mxfp4']!),
};

const missing = (): string | false => {
  try {
    loadAddon();
    return false;
  } catch (error) {
    return (error as Error).message;
  }
};

for (const [name, form] of Object.entries(FORMS)) {
  test(name, { skip: missing() }, async () => {
    const { checkpoint, model } = openModel(checkpointWith(form));
    const ids = [1, 5, 9, 2, 30];
    const prompt: Prompt = {
      ids,
      positions: { data: Int32Array.from(ids, (_, i) => i), axes: 1, ropeDelta: 0 },
      featureIndex: new Int32Array(ids.length).fill(-1),
      visibleEnd: Int32Array.from(ids, (_, i) => i + 1),
      features: { features: new Float32Array(0) },
    };
    const native: Runner = await createRunner({
      files: checkpoint.files,
      program: JSON.stringify(model.decoder),
      precision: 'exact',
      kvType: 'f32',
      threads: 1,
    });
    try {
      const expected = (
        await prefill(
          new ReferenceRunner(model.decoder, checkpoint.files),
          model,
          prompt,
          0,
          0,
          ids.length,
          ids.length,
        )
      )['logits']!.data;
      const actual = (await prefill(native, model, prompt, 0, 0, ids.length, ids.length))['logits']!.data;
      const spread = Math.max(...expected) - Math.min(...expected);
      assert.ok(spread > 0.1 && spread < 1e4, `logits spread over ${spread}`);
      assert.ok(
        largestDifference(actual, expected) < 1e-4 * spread,
        `differs by ${largestDifference(actual, expected)} of ${spread}`,
      );
    } finally {
      await native.close();
    }
  });
}

for (const [name, form] of Object.entries(EXPERT_FORMS)) {
  test(`experts: ${name}`, { skip: missing() }, async () => {
    const [hidden, inner, experts] = [64, 128, 3];
    const tensors = {
      'mlp.gate.weight': f32([experts, hidden], 0.5),
      ...form('gate_proj', experts, inner, hidden),
      ...form('up_proj', experts, inner, hidden),
      ...form('down_proj', experts, hidden, inner),
    };
    const config = { ...tinyConfig(), quantization_config: { weight_block_size: [48, 48] } };
    const checkpoint = openCheckpoint(writeCheckpoint({ config, files: { 'model.safetensors': tensors } }));
    const g = new GraphBuilder('vision');
    const x = g.input('x', { rows: rowsOf('rows'), width: hidden });
    const route = { k: 2, score: 'softmax', normalize: true } as const;
    g.output('y', routedExperts(g, x, weightScope(checkpoint, [''], 'mlp.gate'), { experts, inner, route }));
    const program = g.finish();
    const native = await createRunner({
      files: checkpoint.files,
      program: JSON.stringify(program),
      precision: 'exact',
      kvType: 'f32',
      threads: 1,
    });
    try {
      const rows = 9;
      const request = { inputs: { x: { data: around(rows * hidden, 1), rows } } };
      const expected = (await new ReferenceRunner(program, checkpoint.files).run(request))['y']!.data;
      const actual = (await native.run(request))['y']!.data;
      const spread = Math.max(...expected) - Math.min(...expected);
      assert.ok(
        spread > 0.01 && largestDifference(actual, expected) < 1e-4 * spread,
        `${largestDifference(actual, expected)} of ${spread}`,
      );
    } finally {
      await native.close();
    }
  });
}
