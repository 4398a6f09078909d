// Stacks of matrices as people upload them: experts one by one in the forms of other tools, experts in one tensor of fp8,
// and what MLX makes of DeepSeek's keys and values. To the last bit the numbers for which they stand.
import assert from 'node:assert/strict';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openCheckpoint } from '../../src/models/checkpoint/checkpoint-folder.js';
import type { Checkpoint } from '../../src/models/checkpoint/checkpoint.js';
import { weightScope } from '../../src/models/checkpoint/weights.js';
import { checkCheckpoint } from '../goldens/check-checkpoint.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';
import { readSafetensors, toFloats } from '../goldens/reference-weights.js';
import { scratchFolder } from '../scratch-folder.js';
import * as forms from './foreign-packers.js';
import type { Packed, Packer } from './foreign-packers.js';
import { readBack, readBackExperts, withoutCore } from './read-back.js';
import {
  safetensors,
  tinyConfig,
  writeCheckpoint,
  type Tensors,
  type TensorSpec,
} from './tiny-checkpoint.js';

const skip = withoutCore();
const EXPERTS = 3;

/** Deterministic, about normal. */
function floats(count: number, seed: number): Float32Array {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) / 2 ** 24;
  };
  return Float32Array.from({ length: count }, () => (next() + next() + next() - 1.5) / 4);
}

const storedAs = (tensors: Tensors, config: object = {}): Checkpoint =>
  openCheckpoint(
    writeCheckpoint({ config: { ...tinyConfig(), ...config }, files: { 'model.safetensors': tensors } }),
  );

const packed = (pack: Packer, rows: number, columns: number): Packed[] =>
  Array.from({ length: EXPERTS }, (_, e) => pack(floats(rows * columns, e + 7), rows, columns));

const valuesOf = (experts: Packed[]): Float32Array =>
  Float32Array.from(experts.flatMap(({ values }) => Array.from(values, (value) => value + 0)));

const ONE_BY_ONE: Record<string, Packer> = {
  'GPTQ 4 bit': forms.gptq(4, 32),
  'GPTQ 4 bit, columns in another order': forms.gptq(4, 32, { shuffled: true }),
  AWQ: forms.awq(32),
  'int4 pack-quantized': forms.packQuantized(4, 32),
  'int4 pack-quantized with zeros': forms.packQuantized(4, 32, { symmetric: false }),
  'int8 int-quantized': forms.int8(),
  'fp8, a scale for each row': forms.fp8('rows', '.weight_scale', 'BF16'),
  'fp8 in tiles of 128 × 128': forms.fp8('tiles', '.weight_scale_inv'),
  'bitsandbytes nf4': forms.nf4(),
  'NVFP4 by modelopt': forms.nvfp4('modelopt'),
};

for (const [name, pack] of Object.entries(ONE_BY_ONE)) {
  test(`experts one by one: ${name}`, { skip }, async () => {
    for (const [rows, columns] of [
      [72, 96],
      [136, 320],
    ] as const) {
      const experts = packed(pack, rows, columns);
      const tensors = Object.fromEntries(
        experts.flatMap(({ tensors: own }, e) =>
          Object.entries(own).map(([suffix, spec]) => [`p.${e}.up_proj${suffix}`, spec]),
        ),
      );
      const checkpoint = storedAs(tensors, { quantization_config: { group_size: 32 } });
      const scope = weightScope(checkpoint, [''], 'p.0.up_proj');
      const recipe = scope('p').listedExperts(EXPERTS, 'up_proj', rows, columns);
      assert.deepEqual(await readBackExperts(checkpoint, recipe), valuesOf(experts), `${rows} × ${columns}`);
    }
  });
}

/** Tensors of the same kind along a new first axis. */
function stack(specs: TensorSpec[]): TensorSpec {
  const bytes = Buffer.concat(specs.map((spec) => spec.bytes!));
  return { dtype: specs[0]!.dtype, shape: [specs.length, ...specs[0]!.shape], bytes };
}

const transposed = (values: Float32Array, rows: number, columns: number): Float32Array =>
  Float32Array.from(
    { length: values.length },
    (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!,
  );

for (const scales of ['tiles', 'whole'] as const) {
  for (const turned of [false, true]) {
    test(
      `experts in one tensor of fp8, scales of ${scales}${turned ? ', turned' : ''}`,
      { skip },
      async () => {
        const [rows, columns] = [136, 200];
        const stored = turned ? [columns, rows] : [rows, columns];
        const experts = packed(forms.fp8(scales, '.weight_scale_inv', 'BF16'), stored[0]!, stored[1]!);
        const one = scales === 'whole' ? [1, 1] : undefined;
        const checkpoint = storedAs({
          p: stack(experts.map(({ tensors }) => tensors['.weight']!)),
          p_scale_inv: stack(
            experts.map(({ tensors }) => ({
              ...tensors['.weight_scale_inv']!,
              shape: one ?? tensors['.weight_scale_inv']!.shape,
            })),
          ),
        });
        const module = weightScope(checkpoint, [''], 'p')('p');
        const recipe = turned
          ? module.transposedExperts(EXPERTS, rows, columns)
          : module.stackedExperts(EXPERTS, rows, columns);
        const values = turned
          ? experts.map((e) => ({ ...e, values: transposed(e.values, columns, rows) }))
          : experts;
        assert.deepEqual(await readBackExperts(checkpoint, recipe), valuesOf(values));
      },
    );
  }
}

for (const [bits, group] of [
  [4, 32],
  [8, 64],
  [6, 64],
] as const) {
  test(`heads turned, MLX ${bits} bit`, { skip }, async () => {
    const [rows, columns] = [64, 72]; // of a head, as it is read
    const heads = packed(forms.mlxAffine(bits, group), columns, rows);
    const names = ['.weight', '.scales', '.biases'];
    const checkpoint = storedAs(
      Object.fromEntries(
        names.map((name) => [`p${name}`, stack(heads.map(({ tensors }) => tensors[name]!))]),
      ),
    );
    const module = weightScope(checkpoint, [''], 'p')('p');
    const values = heads.map((head) => ({ ...head, values: transposed(head.values, columns, rows) }));
    assert.deepEqual(
      await readBack(checkpoint, module.turnedHeads(EXPERTS, rows, columns)),
      valuesOf(values),
    );
    assert.deepEqual(await readBack(checkpoint, module.headRows(EXPERTS, columns, rows)), valuesOf(heads));
  });
}

test('what is turned and packed otherwise is refused by its form', () => {
  const checkpoint = storedAs({
    'p.weight': { dtype: 'U32', shape: [2, 32, 4] },
    'p.scales': { dtype: 'U8', shape: [2, 32, 1] },
  });
  const module = weightScope(checkpoint, [''], 'p')('p');
  assert.throws(() => module.turnedHeads(2, 32, 32), {
    code: 'MODEL_UNSUPPORTED',
    message: /"p" is stored turned as mxfp4.*affine \(4 bit\) MLX/,
  });
});

/** MLX's conversion of kv_b_proj [heads · (nope + value), rank]: keys [heads, rank, nope], values [heads, value, rank]. */
test("Kimi K2.5 with MLX's split keys and values gives the goldens", { skip }, async (t) => {
  const source = join(CHECKPOINTS, 'kimi_k25');
  const folder = scratchFolder('split');
  cpSync(source, folder, { recursive: true });
  const [heads, nope, value, rank] = [2, 16, 24, 16];
  const tensors: Tensors = {};
  for (const [name, stored] of readSafetensors([join(source, 'model.safetensors')])) {
    const data = toFloats(stored);
    const path = /^(.*\.self_attn\.)kv_b_proj\.weight$/.exec(name)?.[1];
    if (path === undefined) {
      tensors[name] = forms.floatSpec(data, stored.shape, 'F32');
      continue;
    }
    const at = (head: number, row: number, column: number): number =>
      data[(head * (nope + value) + row) * rank + column]!;
    const keys = Array.from({ length: heads * rank * nope }, (_, i) =>
      at(Math.floor(i / (rank * nope)), i % nope, Math.floor(i / nope) % rank),
    );
    const values = Array.from({ length: heads * value * rank }, (_, i) =>
      at(Math.floor(i / (value * rank)), nope + (Math.floor(i / rank) % value), i % rank),
    );
    tensors[`${path}embed_q.weight`] = forms.floatSpec(keys, [heads, rank, nope], 'F32');
    tensors[`${path}unembed_out.weight`] = forms.floatSpec(values, [heads, value, rank], 'F32');
  }
  writeFileSync(join(folder, 'model.safetensors'), safetensors(tensors));
  const { passed, failures } = await checkCheckpoint(folder);
  t.diagnostic(`${passed} comparisons`);
  assert.deepEqual(failures, []);
  assert.ok(passed > 100);
});
