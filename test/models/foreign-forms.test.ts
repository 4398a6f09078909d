// Forms that other tools store, through the native core: to the last bit the numbers for which they stand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Checkpoint } from '../../src/models/checkpoint/checkpoint.js';
import { openCheckpoint } from '../../src/models/checkpoint/checkpoint-folder.js';
import { weightScope } from '../../src/models/checkpoint/weights.js';
import * as forms from './foreign-packers.js';
import type { Packer } from './foreign-packers.js';
import { readBack, withoutCore } from './read-back.js';
import { tinyConfig, writeCheckpoint, type Tensors } from './tiny-checkpoint.js';

const FORMS: Record<string, Packer> = {
  'GPTQ 4 bit, group 32': forms.gptq(4, 32),
  'GPTQ 4 bit, group 128': forms.gptq(4, 128),
  'GPTQ 4 bit, one group': forms.gptq(4, Infinity),
  'GPTQ 4 bit, columns in another order': forms.gptq(4, 32, { shuffled: true }),
  'GPTQ 4 bit, columns in another order, bfloat16': forms.gptq(4, 32, { shuffled: true, type: 'BF16' }),
  'GPTQ 2 bit': forms.gptq(2, 64),
  'GPTQ 3 bit': forms.gptq(3, 32),
  'GPTQ 8 bit': forms.gptq(8, 64),
  'GPTQ as version 2 stores it': forms.gptq(4, 64, { v2: true }),
  'AWQ, group 32': forms.awq(32),
  'AWQ, group 128': forms.awq(128),
  'int4 pack-quantized, group 32': forms.packQuantized(4, 32),
  'int4 pack-quantized, a scale for each row': forms.packQuantized(4, Infinity),
  'int4 pack-quantized with zeros': forms.packQuantized(4, 32, { symmetric: false }),
  'int4 pack-quantized with zeros as bytes': forms.packQuantized(4, 64, { symmetric: false, zeros: 'bytes' }),
  'int4 pack-quantized, columns in another order': forms.packQuantized(4, 32, { shuffled: true }),
  'int8 pack-quantized': forms.packQuantized(8, 64),
  'int8 int-quantized': forms.int8(),
  'int8 int-quantized, scales as a vector': forms.int8({ flat: true, type: 'F32' }),
  'int8 int-quantized with zeros': forms.int8({ symmetric: false, type: 'F16' }),
  'fp8 float-quantized, a scale for each row': forms.fp8('rows', '.weight_scale', 'BF16'),
  'fp8 float-quantized, one scale': forms.fp8('whole', '.weight_scale'),
  'fp8 in tiles of 128 × 128': forms.fp8('tiles', '.weight_scale_inv'),
  'fp8 in tiles, bfloat16 scales': forms.fp8('tiles', '.weight_scale_inv', 'BF16'),
  'bitsandbytes nf4': forms.nf4(),
  'bitsandbytes nf4, nested': forms.nf4({ nested: true, type: 'F16' }),
  'bitsandbytes nf4, float32': forms.nf4({ type: 'F32' }),
  'bitsandbytes int8': forms.bnbInt8,
  'NVFP4 by modelopt': forms.nvfp4('modelopt'),
  'NVFP4 by compressed-tensors': forms.nvfp4('compressed-tensors'),
};
/** Whole panels and blocks of 64, and parts of them. */
const SIZES: [rows: number, columns: number][] = [
  [64, 128],
  [72, 96],
  [200, 320],
];

/** Deterministic, about normal. */
export function floats(count: number, seed: number): Float32Array {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) / 2 ** 24;
  };
  return Float32Array.from({ length: count }, () => (next() + next() + next() - 1.5) / 4);
}

const at = (path: string, tensors: Tensors): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([suffix, spec]) => [`${path}${suffix}`, spec]));

function storedAs(tensors: Tensors, config: object = {}): Checkpoint {
  const files = { 'model.safetensors': at('p', tensors) };
  return openCheckpoint(writeCheckpoint({ config: { ...tinyConfig(), ...config }, files }));
}

const moduleOf = (checkpoint: Checkpoint) => weightScope(checkpoint, [''], 'p')('p');

for (const [name, pack] of Object.entries(FORMS)) {
  test(name, { skip: withoutCore() }, async () => {
    const group_size = Number(/group (\d+)/.exec(name)?.[1] ?? 64);
    const checkpoint_format = name.includes('version 2') ? 'gptq_v2' : undefined;
    const weights = { group_size };
    const stated = name.includes('quantized') ? { config_groups: { group_0: { weights } } } : weights;
    const config = { quantization_config: { ...stated, checkpoint_format } };
    for (const [rows, columns] of SIZES) {
      const original = floats(rows * columns, rows);
      const { tensors, values } = pack(original, rows, columns);
      const checkpoint = storedAs(tensors, config);
      const read = await readBack(checkpoint, moduleOf(checkpoint).matrix(rows, columns));
      assert.deepEqual(
        read,
        values.map((value) => value + 0),
        `${rows} × ${columns}`,
      );
      const error = Math.sqrt(values.reduce((sum, v, i) => sum + (v - original[i]!) ** 2, 0) / values.length);
      assert.ok(error > 0 && error < 0.12, `the form itself is off by ${error}`);
    }
  });
}

test('rows of a foreign matrix are read on their own', { skip: withoutCore() }, async () => {
  const [rows, columns] = [48, 64];
  for (const pack of [forms.gptq(4, 32), forms.awq(32), forms.nf4(), forms.int8(), forms.nvfp4('modelopt')]) {
    const { tensors, values } = pack(floats(rows * columns, 5), rows, columns);
    const checkpoint = storedAs(tensors);
    const read = await readBack(checkpoint, moduleOf(checkpoint).rows(rows, columns, 16, 24));
    assert.deepEqual(
      read,
      values.subarray(16 * columns, 40 * columns).map((value) => value + 0),
    );
  }
});
