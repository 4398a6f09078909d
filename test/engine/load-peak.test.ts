// While a model is loaded its weights are in memory once: what was packed for the kernels leaves the mapped file.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { program } from '../built.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';
import { safetensors, type Tensors } from '../models/tiny-checkpoint.js';
import { scratchFolder } from '../scratch-folder.js';

const ROOT = join(import.meta.dirname, '../..');
const MB = 1e6;
/** Nine matrices of this many rows: 150 MB. */
const ROWS = 131_072;

/** The smallest checkpoint there is, with wide layers of zeros. */
function wideCheckpoint(): string {
  const folder = scratchFolder('wide');
  cpSync(join(CHECKPOINTS, 'qwen2_vl'), folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, intermediate_size: ROWS }));
  const file = join(folder, 'model.safetensors');
  writeFileSync(file, safetensors(widened(readFileSync(file))));
  return folder;
}

function widened(stored: Buffer): Tensors {
  const start = 8 + Number(stored.readBigUInt64LE());
  const { __metadata__, ...header } = JSON.parse(stored.toString('utf8', 8, start)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return Object.fromEntries(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        const wide = /(?<!visual.*)mlp\.(gate|up|down)_proj/.test(name);
        if (!wide) return [name, { dtype, shape, bytes: stored.subarray(start + from, start + to) }];
        return [name, { dtype: 'F32', shape: shape.map((size) => (size === 64 ? ROWS : size)) }];
      },
    ),
  );
}

/** In a process of its own, the highest water mark of which is that of the load. */
const LOAD = `
  import { readFileSync } from 'node:fs';
  import { LocalEngine } from '../../src/engine/local-engine.ts';
  const told = (name) => Number(new RegExp(name + ':\\\\s+(\\\\d+)').exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
  const small = new LocalEngine({ threads: 1 });
  await small.ready();
  await small.close();
  const before = told('VmRSS');
  const engine = new LocalEngine({ model: process.argv[1], threads: 1, precision: 'exact' });
  await engine.ready();
  console.log(JSON.stringify({ grown: told('VmHWM') - before, weights: engine.status().cache.weightBytes }));
  await engine.close();
`;

test(
  'loading takes the weights’ memory once',
  { skip: process.platform !== 'linux' && 'the highest water mark is read from /proc' },
  async () => {
    const args = [...program(import.meta.url, LOAD), wideCheckpoint()];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT });
    const { grown, weights } = JSON.parse(stdout) as { grown: number; weights: number };
    assert.ok(weights > 150 * MB, `${weights} bytes of weights`);
    assert.ok(grown < 1.4 * weights, `${grown / MB} MB for ${weights / MB} MB of weights`);
  },
);
