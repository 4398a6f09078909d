// npm run -s bench:peaks -- [--threads N]
// What this machine can do, as JSON (interface Peaks). A process of its own, so that its buffer is in nobody's peak memory.
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadAddon, type Peaks } from '../src/engine/native.js';

const SCRIPT = fileURLToPath(import.meta.url);

export function measuredPeaks(threads: number): Peaks {
  const args = ['--import', import.meta.resolve('tsx'), SCRIPT, '--threads', String(threads)];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`The peaks could not be measured: ${stderr}`);
  return JSON.parse(stdout) as Peaks;
}

if (process.argv[1] === SCRIPT) {
  const { values } = parseArgs({
    options: { threads: { type: 'string', default: String(availableParallelism()) } },
  });
  const peaks = await loadAddon().measurePeaks(Number(values.threads));
  process.stdout.write(`${JSON.stringify(peaks)}\n`);
}
