// npm run -s bench:peaks -- [--threads N]
// What this machine can do, as JSON (interface Peaks). Benchmarks run it as a process of its own, so that its buffer is
// in nobody's peak memory.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { loadAddon } from '../src/engine/native.js';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: String(availableParallelism()) },
  },
});
process.stdout.write(`${JSON.stringify(await loadAddon().measurePeaks(Number(values.threads)))}\n`);
