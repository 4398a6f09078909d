// npm run bench:peers -- --llama FOLDER [--llama-bench FILE] [--dims NAME]... [--rounds N] [--threads N] [--write]
// Ours against node-llama-cpp (a folder into which it was installed: npm install --prefix FOLDER node-llama-cpp) and,
// where a path is given, native llama-bench: same dimensions, random 4-bit weights, alternating in one run; medians
// and ratios. --write puts the tables into bench/results.md.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PEER_DIMENSIONS, writeGguf } from './peers/gguf.js';
import { writeSection } from './results.js';

const HERE = dirname(fileURLToPath(import.meta.url));
const PROMPT = 512;
const GENERATE = 64;

interface Rates {
  prefill: number;
  decode: number;
  memoryMb: number;
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

function json(script: string, args: string[]): Record<string, number> {
  const run = spawnSync(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), join(HERE, script), ...args],
    { encoding: 'utf8' },
  );
  const line = run.stdout.trim().split('\n').at(-1) ?? '';
  if (run.status !== 0 || !line.startsWith('{')) throw new Error(`${script} failed: ${run.stderr}`);
  return JSON.parse(line) as Record<string, number>;
}

function ours(dims: string, precision: string): Rates {
  const figures = json('run.ts', [
    '--dims',
    dims,
    '--bits',
    '4',
    '--prompt',
    String(PROMPT),
    '--generate',
    String(GENERATE),
    '--threads',
    options.threads,
    '--image',
    '28x28',
    '--precision',
    precision,
    '--json',
  ]);
  return {
    prefill: figures.prefill_tokens_per_s!,
    decode: figures.decode_tokens_per_s!,
    memoryMb: figures.peak_memory_mb!,
  };
}

function nodeLlama(gguf: string): Rates {
  const figures = json('peers/llama.ts', [
    '--module',
    options.llama!,
    '--model',
    gguf,
    '--prompt',
    String(PROMPT),
    '--generate',
    String(GENERATE),
    '--threads',
    options.threads,
  ]);
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

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

function table(dims: string, contenders: Contender[]): string[] {
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
    const memory = Number.isNaN(memoryMb) ? '' : `${memoryMb} MB`;
    return `| ${dims} | ${contenders[i]!.name} | ${prefill.toFixed(0)}${ratio([medians[0]!.prefill, medians[1]!.prefill], prefill)} | ${decode.toFixed(1)}${ratio([medians[0]!.decode, medians[1]!.decode], decode)} | ${memory} |`;
  });
}

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'afterimage-peers-'));
const lines = [
  `${cpus()[0]!.model.trim()}, ${options.threads} threads, ${Math.round(totalmem() / 2 ** 30)} GiB. Medians of ${options.rounds} alternating runs, tokens per second; prompt ${PROMPT}, ${GENERATE} generated, random 4-bit weights.`,
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
    lines.push(...table(dims, contenders));
    rmSync(gguf);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`${lines.join('\n')}\n`);
if (options.write) writeSection('peers', lines.join('\n'));
