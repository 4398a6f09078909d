// npm run -s bench:peaks -- [--threads N]
// What this machine can do, as JSON: builds native/bench/measure_peaks.cpp and runs it.
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export interface Peaks {
  /** DRAM read bandwidth, GB/s. */
  read: number;
  /** The fastest float dot, GFLOP/s; 0 where it is not measured. */
  floats: number;
  /** The int8 dot, Gop/s; 0 where there is none or it is not measured. */
  integers: number;
}

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: String(availableParallelism()) },
  },
});
const build = join(fileURLToPath(import.meta.url), '..', '..', 'build');
execFileSync('cmake', ['--build', build, '--target', 'measure_peaks'], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
const figures = execFileSync(join(build, 'measure_peaks'), [values.threads], { encoding: 'utf8' });
process.stdout.write(figures);
