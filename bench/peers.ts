// npm run bench:peers -- --llama FOLDER [--llama-bench FILE] [--dims NAME]... [--rounds N] [--threads N] [--write]
// Ours against node-llama-cpp (a folder into which it was installed: npm install --prefix FOLDER node-llama-cpp) and,
// where a path is given, native llama-bench: same dimensions, random 4-bit weights, alternating in one run; medians,
// ratios and shares of the measured peaks. --write puts the table into bench/results.md.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measured } from './child.js';
import { PEER_DIMENSIONS, writeGguf, type DecoderDimensions } from './peers/gguf.js';
import type { Peaks } from './peaks.js';
import { median } from './figures.js';
import { writeSection } from './results.js';

const PROMPT = 512;
const GENERATE = 64;

/** Bits per weight of both sides: 4, and per 64 a bf16 scale and offset (ours), per 32 an f16 scale (Q4_0). */
const BITS = 4.5;

interface Rates {
  prefill: number;
  decode: number;
  memoryMb: number;
}

/** What one token asks of the machine: operations on the layers' matrices, bytes of those and of the output layer. */
function work(d: DecoderDimensions): { operations: number; bytes: number } {
  const attention = 2 * d.hidden * d.headDim * (d.heads + d.kvHeads);
  const layers = d.layers * (attention + 3 * d.hidden * d.intermediate);
  return { operations: 2 * layers, bytes: ((layers + d.hidden * d.vocab) * BITS) / 8 };
}

type Contender = { name: string; measure: () => Rates };

const { values: options } = parseArgs({
  options: {
    llama: { type: 'string' },
    'llama-bench': { type: 'string' },
    dims: { type: 'string', multiple: true, default: Object.keys(PEER_DIMENSIONS) },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: String(availableParallelism()) },
    write: { type: 'boolean', default: false },
  },
});
if (!options.llama && !options['llama-bench']) {
  process.stderr.write(
    'Expected --llama FOLDER (npm install --prefix FOLDER node-llama-cpp) or --llama-bench FILE.\n',
  );
  process.exit(2);
}

function ours(dims: string, precision: string): Rates {
  const image = { image: '28x28', prompt: PROMPT, generate: GENERATE, json: true as const };
  const figures = measured('run.ts', { dims, bits: 4, threads: options.threads, precision, ...image });
  return {
    prefill: figures.prefill_tokens_per_s!,
    decode: figures.decode_tokens_per_s!,
    memoryMb: figures.peak_memory_mb!,
  };
}

function nodeLlama(gguf: string): Rates {
  const figures = measured('peers/llama.ts', {
    module: options.llama!,
    model: gguf,
    prompt: PROMPT,
    generate: GENERATE,
    threads: options.threads,
  });
  return {
    prefill: figures.prefill_tokens_per_s!,
    decode: figures.decode_tokens_per_s!,
    memoryMb: figures.peak_memory_mb!,
  };
}

function llamaBench(gguf: string): Rates {
  const run = spawnSync(
    options['llama-bench']!,
    ['-m', gguf, '-p', String(PROMPT), '-n', String(GENERATE), '-t', options.threads, '-o', 'json'],
    { encoding: 'utf8' },
  );
  if (run.status !== 0) throw new Error(`llama-bench failed: ${run.stderr}`);
  const rows = JSON.parse(run.stdout) as { n_prompt: number; n_gen: number; avg_ts: number }[];
  return {
    prefill: rows.find(({ n_gen }) => n_gen === 0)!.avg_ts,
    decode: rows.find(({ n_prompt }) => n_prompt === 0)!.avg_ts,
    memoryMb: NaN,
  };
}

function table(dims: string, contenders: Contender[], peaks: Peaks): string[] {
  const { operations, bytes } = work(PEER_DIMENSIONS[dims]!);
  const share = (part: number, whole: number): string =>
    whole > 0 ? ` · ${((100 * part) / 1e9 / whole).toFixed(0)} %` : '';
  const runs = contenders.map((): Rates[] => []);
  for (let round = 0; round < Number(options.rounds); round++) {
    contenders.forEach(({ name, measure }, i) => {
      runs[i]!.push(measure());
      process.stderr.write(`${dims} ${name} round ${round + 1}: ${JSON.stringify(runs[i]!.at(-1))}\n`);
    });
  }
  const medians = runs.map((list): Rates => ({
    prefill: median(list.map(({ prefill }) => prefill)),
    decode: median(list.map(({ decode }) => decode)),
    memoryMb: median(list.map(({ memoryMb }) => memoryMb)),
  }));
  return medians.map(({ prefill, decode, memoryMb }, i) => {
    const ratio = (a: [number, number], b: number): string =>
      i < 2 ? '' : ` (fast ${(a[0] / b).toFixed(2)}×, faster ${(a[1] / b).toFixed(2)}×)`;
    const cells = [
      dims,
      contenders[i]!.name,
      `${prefill.toFixed(0)}${share(prefill * operations, peaks.integers)}${ratio([medians[0]!.prefill, medians[1]!.prefill], prefill)}`,
      `${decode.toFixed(1)}${share(decode * bytes, peaks.read)}${ratio([medians[0]!.decode, medians[1]!.decode], decode)}`,
      Number.isNaN(memoryMb) ? '' : `${memoryMb} MB`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
}

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'afterimage-peers-'));
const peaks = measured<Peaks>('peaks.ts', { threads: options.threads });
const lines = [
  `${cpus()[0]!.model.trim()}, ${options.threads} threads, ${Math.round(totalmem() / 2 ** 30)} GiB. Medians of ${options.rounds} alternating runs, tokens per second; prompt ${PROMPT}, ${GENERATE} generated, random 4-bit weights. Measured peaks: int8 dot ${peaks.integers.toFixed(0)} Gop/s, float ${peaks.floats.toFixed(0)} GFLOP/s, memory ${peaks.read.toFixed(1)} GB/s. Shares: of the int8 peak in prefill (A15 does each product twice, counted once), of the memory bandwidth in decode; the peaks are taken once and the host's other guests come and go, so a share may exceed 100 %.`,
  '',
  '| dimensions | engine | prefill | decode | peak memory |',
  '|---|---|---|---|---|',
];
try {
  for (const dims of options.dims) {
    const gguf = join(folder, `${dims}.gguf`);
    writeGguf(gguf, PEER_DIMENSIONS[dims]!);
    const contenders: Contender[] = [
      { name: 'afterimage, fast (A15)', measure: () => ours(dims, 'fast') },
      { name: 'afterimage, faster (A8)', measure: () => ours(dims, 'faster') },
    ];
    if (options.llama) contenders.push({ name: 'node-llama-cpp (Q4_0)', measure: () => nodeLlama(gguf) });
    if (options['llama-bench'])
      contenders.push({ name: 'llama-bench (Q4_0)', measure: () => llamaBench(gguf) });
    lines.push(...table(dims, contenders, peaks));
    rmSync(gguf);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`${lines.join('\n')}\n`);
if (options.write) writeSection('peers', lines.join('\n'));
