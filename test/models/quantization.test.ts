import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Checkpoint, StoredTensorInfo } from '../../src/models/checkpoint/checkpoint.js';
import { storedMatrix } from '../../src/models/checkpoint/quantization.js';
import { weightScope } from '../../src/models/checkpoint/weights.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';
import { readSafetensors, readWeight, toFloats } from '../goldens/reference-weights.js';
import { largestDifference } from '../goldens/tally.js';

function checkpoint(
  tensors: Record<string, [string, number[]]>,
  config: Record<string, unknown> = {},
): Checkpoint {
  const infos = Object.entries(tensors).map(([name, [dtype, shape]]): [string, StoredTensorInfo] => [
    name,
    { dtype, shape },
  ]);
  return {
    folder: '',
    config,
    generationConfig: {},
    imageProcessor: {},
    processor: {},
    tensors: new Map(infos),
    files: [],
    tokenId: () => undefined,
  };
}

const invalid =
  (...words: RegExp[]) =>
  (error: Error & { code: string }): boolean => {
    assert.equal(error.code, 'INVALID_CHECKPOINT');
    for (const word of words) assert.match(error.message, word);
    return true;
  };

test('every affine width and group is read from the shapes, whatever the config says', () => {
  const config = { quantization: { group_size: 64, bits: 4 } };
  for (const bits of [2, 3, 4, 5, 6, 8]) {
    for (const group of [32, 64, 128]) {
      const scales: [string, number[]] = [bits % 2 ? 'BF16' : 'F16', [16, 256 / group]];
      const c = checkpoint(
        { 'p.weight': ['U32', [16, (256 * bits) / 32]], 'p.scales': scales, 'p.biases': scales },
        config,
      );
      const { tensor, quantization } = storedMatrix(c, 'p', [16, 256]);
      assert.equal(tensor, 'p.weight');
      assert.deepEqual(quantization, {
        mode: 'affine',
        bits,
        group,
        scales: ['p.scales'],
        biases: ['p.biases'],
      });
    }
  }
});

test('byte scales without biases tell mxfp8 from affine 8 bit, and mxfp4 and nvfp4 from affine 4 bit', () => {
  const mode = (bits: number, group: number, dtype: string): string | undefined =>
    storedMatrix(
      checkpoint({ 'p.weight': ['U32', [8, (64 * bits) / 32]], 'p.scales': [dtype, [8, 64 / group]] }),
      'p',
      [8, 64],
    ).quantization?.mode;
  assert.equal(mode(8, 32, 'U8'), 'mxfp8');
  assert.equal(mode(4, 32, 'U8'), 'mxfp4');
  assert.equal(mode(4, 32, 'F8_E8M0'), 'mxfp4');
  assert.equal(mode(4, 16, 'U8'), 'nvfp4');
  assert.throws(() => mode(4, 64, 'U8'), invalid(/4 bits in groups of 64/));
  assert.throws(() => mode(7, 32, 'U8'), invalid(/7 bits/));
});

test('a module without scales is float, whatever the config says', () => {
  const c = checkpoint({ 'p.weight': ['BF16', [8, 64]] }, { quantization: { group_size: 64, bits: 4 } });
  assert.deepEqual(storedMatrix(c, 'p', [8, 64]), { tensor: 'p.weight' });
});

test('affine without biases and codes of the wrong width are refused', () => {
  const scales: [string, number[]] = ['F16', [8, 1]];
  assert.throws(
    () => storedMatrix(checkpoint({ 'p.weight': ['U32', [8, 8]], 'p.scales': scales }), 'p', [8, 64]),
    invalid(/"p.biases" is missing/),
  );
  assert.throws(
    () =>
      storedMatrix(
        checkpoint({ 'p.weight': ['U32', [9, 8]], 'p.scales': scales, 'p.biases': scales }),
        'p',
        [8, 64],
      ),
    invalid(/\[9, 8\]/, /\[8, 8\]/),
  );
  assert.throws(
    () =>
      storedMatrix(
        checkpoint({ 'p.weight': ['U32', [8, 7]], 'p.scales': scales, 'p.biases': scales }),
        'p',
        [8, 64],
      ),
    invalid(/3.5 bits/),
  );
});

test('fp8 with one scale, with 128 × 128 tiles, and with the tile size of the config', () => {
  const fp8 = (scales: number[], config = {}): unknown =>
    storedMatrix(
      checkpoint({ 'p.weight': ['F8_E4M3', [200, 300]], 'p.weight_scale_inv': ['F32', scales] }, config),
      'p',
      [200, 300],
    ).quantization?.block;
  assert.deepEqual(fp8([]), [200, 320]); // whole blocks of 64 columns share the scale
  assert.deepEqual(fp8([2, 3]), [128, 128]);
  assert.deepEqual(fp8([4, 5], { quantization_config: { weight_block_size: [64, 64] } }), [64, 64]);
  assert.throws(() => fp8([3, 3]), invalid(/weight_scale_inv/, /\[3, 3\]/, /\[2, 3\]/));
});

test('compressed-tensors int4 without zeros is read as it is stored', () => {
  const packed = { 'p.weight_packed': ['I32', [8, 8]], 'p.weight_scale': ['BF16', [8, 2]] } as Record<
    string,
    [string, number[]]
  >;
  assert.deepEqual(storedMatrix(checkpoint(packed), 'p', [8, 64]), {
    tensor: 'p.weight_packed',
    quantization: { mode: 'int4_symmetric', bits: 4, group: 32, scales: ['p.weight_scale'] },
  });
  assert.deepEqual(
    storedMatrix(checkpoint({ ...packed, 'p.weight_zero_point': ['I32', [1, 2]] }), 'p', [8, 64])
      .quantization,
    {
      ...{ mode: 'packed_int', bits: 4, group: 32, scales: ['p.weight_scale'] },
      zeros: ['p.weight_zero_point'],
    },
  );
});

test('GPTQ and AWQ are told apart by the shapes of their codes', () => {
  const stored = (codes: number[], zeros: number[], config = {}): unknown =>
    storedMatrix(
      checkpoint(
        {
          'p.qweight': ['I32', codes],
          'p.qzeros': ['I32', zeros],
          'p.scales': ['F16', [2, 64]],
          'p.g_idx': ['I32', [256]],
        },
        config,
      ),
      'p',
      [64, 256],
    ).quantization;
  const parts = { group: 128, scales: ['p.scales'], zeros: ['p.qzeros'] };
  assert.deepEqual(stored([32, 64], [2, 8]), { mode: 'gptq', bits: 4, ...parts, order: ['p.g_idx'] });
  assert.deepEqual(stored([64, 64], [2, 16]), { mode: 'gptq', bits: 8, ...parts, order: ['p.g_idx'] });
  assert.deepEqual(stored([256, 8], [2, 8]), { mode: 'awq', bits: 4, ...parts });
  const v2 = { quantization_config: { checkpoint_format: 'gptq_v2' } };
  assert.equal((stored([32, 64], [2, 8], v2) as { mode: string }).mode, 'gptq_v2');
  assert.throws(
    () => stored([64, 32], [2, 8]),
    invalid(/"p" .*\[64, 32\].*neither GPTQ nor AWQ/, /another upload/),
  );
});

test('what a foreign form lacks is said, with what to take instead', () => {
  const refused = (tensors: Record<string, [string, number[]]>, ...words: RegExp[]): void =>
    assert.throws(() => storedMatrix(checkpoint(tensors), 'p', [8, 64]), invalid(/another upload/, ...words));
  const scale: Record<string, [string, number[]]> = { 'p.weight_scale': ['BF16', [8, 1]] };
  refused({ ...scale, 'p.weight_packed': ['I32', [8, 6]] }, /neither 4 nor 8 bits/);
  refused({ ...scale, 'p.weight_packed': ['U8', [8, 32]] }, /NVFP4/);
  refused({ ...scale, 'p.weight': ['U32', [8, 64]] }, /values are U32/);
  refused({ 'p.weight': ['U8', [256, 1]], 'p.weight.absmax': ['F32', [8]] }, /bitsandbytes/);
  refused({ 'p.weight': ['U8', [8, 64]], 'p.SCB': ['F32', [8]] }, /not I8/);
});

test('experts stored one by one are stacked with their scales', () => {
  const tensors: Record<string, [string, number[]]> = { 'm.gate.weight': ['F32', [2, 64]] };
  for (const e of [0, 1]) {
    tensors[`m.experts.${e}.up_proj.weight_packed`] = ['I32', [16, 8]];
    tensors[`m.experts.${e}.up_proj.weight_scale`] = ['BF16', [16, 2]];
  }
  const w = weightScope(checkpoint(tensors), ['x.', 'm.'], 'gate');
  const recipe = w('experts').listedExperts(2, 'up_proj', 16, 64);
  assert.deepEqual(recipe.shape, [2, 16, 64]);
  assert.deepEqual(recipe.tensors, [
    'm.experts.0.up_proj.weight_packed',
    'm.experts.1.up_proj.weight_packed',
  ]);
  assert.deepEqual(recipe.quantization?.scales, [
    'm.experts.0.up_proj.weight_scale',
    'm.experts.1.up_proj.weight_scale',
  ]);
  assert.throws(
    () => w('experts').listedExperts(3, 'up_proj', 16, 64),
    invalid(/experts\.2\.up_proj.*missing/),
  );
});

test('patch kernels: MLX order is turned into channel-major, Hugging Face order is taken as it is', () => {
  const w = weightScope(
    checkpoint({ 'hf.proj.weight': ['F32', [8, 3, 2, 4, 4]], 'mlx.proj.weight': ['F32', [8, 2, 4, 4, 3]] }),
    [''],
    'hf.proj',
  );
  assert.equal(w('hf.proj').patchKernel(8, 3, [2, 4, 4]).permute, undefined);
  assert.deepEqual(w('mlx.proj').patchKernel(8, 3, [2, 4, 4]).permute, [0, 4, 1, 2, 3]);
  assert.throws(() => w('mlx.proj').patchKernel(8, 3, [2, 4, 5]), invalid(/\[8, 2, 4, 4, 3\]/));
});

test('the reference reading of every quantized format', () => {
  const folder = join(CHECKPOINTS, 'quantization');
  const arrays = readSafetensors([join(folder, 'quantization.safetensors')]);
  const { tensors } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as {
    tensors: { name: string }[];
  };
  for (const { name } of tensors) {
    const infos = [...arrays]
      .filter(([key]) => key.startsWith(`${name}.`))
      .map(([key, { dtype, shape }]): [string, [string, number[]]] => [key, [dtype, shape]]);
    const expected = toFloats(arrays.get(`${name}.dequant`)!);
    const shape = arrays.get(`${name}.dequant`)!.shape;
    const { tensor, quantization } = storedMatrix(checkpoint(Object.fromEntries(infos)), name, shape);
    const values = readWeight(arrays, { name, shape, tensors: [tensor], quantization });
    assert.equal(largestDifference(values, expected), 0, name);
  }
});
