// Blocks of GGUF through the native core, against llama.cpp's own reading of them
// (test/goldens/generator/gguf_blocks.py).
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Checkpoint, StoredTensorInfo } from '../../src/models/checkpoint/checkpoint.js';
import { blockTypes } from '../../src/models/checkpoint/quantization.js';
import { CheckpointModule } from '../../src/models/checkpoint/weights.js';
import { readSafetensors, toFloats } from '../goldens/reference-weights.js';
import { scratchFolder } from '../scratch-folder.js';
import { readBack, withoutCore } from './read-back.js';

const RECORDED = readSafetensors([
  fileURLToPath(new URL('fixtures/gguf-blocks.safetensors', import.meta.url)),
]);
const [ROWS, COLUMNS] = [3, 512];

const values = (kind: string): Float32Array => toFloats(RECORDED.get(`${kind}.values`)!).map((v) => v + 0);

/** A file that begins with other bytes, so that blocks are not aligned. */
function stored(
  kind: string,
  parts: Record<string, { shape: number[]; from: number; to: number }>,
): Checkpoint {
  const { bytes } = RECORDED.get(`${kind}.blocks`)!;
  const file = join(scratchFolder('blocks'), 'blocks.bin');
  writeFileSync(file, Buffer.concat([Buffer.from('five!'), bytes]));
  const entries = Object.entries(parts).map(([name, { shape, from, to }]) => [
    name,
    { dtype: kind, shape, data_offsets: [(from * bytes.length) / ROWS, (to * bytes.length) / ROWS] },
  ]);
  return {
    ...{ folder: '', config: {}, generationConfig: {}, imageProcessor: {}, processor: {} },
    tensors: new Map<string, StoredTensorInfo>(),
    files: [file],
    headers: { [file]: { json: JSON.stringify(Object.fromEntries(entries)), start: 5 } },
    tokenId: () => undefined,
  };
}

const moduleWith = (checkpoint: Checkpoint, info: StoredTensorInfo): CheckpointModule => {
  checkpoint.tensors.set('p.weight', info);
  return new CheckpointModule(checkpoint, 'p');
};

test('every kind that is read is recorded', () => {
  const kinds = [...RECORDED.keys()].map((name) => name.split('.')[0]!);
  assert.deepEqual([...new Set(kinds)].sort(), [...blockTypes].sort());
});

for (const kind of blockTypes) {
  test(kind, { skip: withoutCore() }, async () => {
    const whole = stored(kind, { w: { shape: [ROWS, COLUMNS], from: 0, to: 3 } });
    const made = { tensors: ['w'] };
    const module = moduleWith(whole, { dtype: kind, shape: [ROWS, COLUMNS], made });
    assert.deepEqual(await readBack(whole, module.matrix(ROWS, COLUMNS)), values(kind));
    assert.deepEqual(await readBack(whole, module.rows(ROWS, COLUMNS, 1, 2)), values(kind).subarray(COLUMNS));
  });
}

test('a matrix in several tensors', { skip: withoutCore() }, async () => {
  const rows = Array.from({ length: ROWS }, (_, r) =>
    values('Q4_K').subarray(r * COLUMNS, (r + 1) * COLUMNS),
  );
  const parts = stored('Q4_K', {
    a: { shape: [1, COLUMNS], from: 2, to: 3 },
    b: { shape: [1, COLUMNS], from: 0, to: 1 },
  });
  const stacked = moduleWith(parts, { dtype: 'Q4_K', shape: [2, COLUMNS], made: { tensors: ['a', 'b'] } });
  assert.deepEqual(
    await readBack(parts, stacked.matrix(2, COLUMNS)),
    Float32Array.of(...rows[2]!, ...rows[0]!),
  );
});
