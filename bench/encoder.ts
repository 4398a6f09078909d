// npm run bench:encoder -- [--dims NAME]... [--threads N] [--write]
// The vision encoder on a screen of 1280×800, its random weights in bf16, one process each: seconds, and the same in
// proportion to the float peak measured before and after it.
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { measured } from './child.js';
import { writeSection } from './results.js';

/** bf16 dot rate of the machine for which targets are stated, GFLOP/s. */
const REFERENCE_PEAK = 920;

const { values: options } = parseArgs({
  options: {
    dims: { type: 'string', multiple: true, default: ['qwen2-vl-2b', 'qwen2.5-vl-3b', 'smolvlm-256m'] },
    threads: { type: 'string', default: String(availableParallelism()) },
    write: { type: 'boolean', default: false },
  },
});

function row(dims: string): string {
  const image = { image: '1280x800', prompt: 16, generate: 2, json: true as const };
  const figures = measured('run.ts', { dims, bits: 4, threads: options.threads, ...image });
  const seconds = figures.encode_ms! / 1000;
  const peak = figures.float_gflop_per_s!;
  const cells = [
    dims,
    figures.image_tokens,
    `${seconds.toFixed(1)} s`,
    `${peak} GFLOP/s`,
    `${((seconds * peak) / REFERENCE_PEAK).toFixed(1)} s`,
    `${figures.peak_memory_mb} MB`,
  ];
  return `| ${cells.join(' | ')} |`;
}

const lines = [
  `${cpus()[0]!.model.trim()}, ${options.threads} threads. The last time is in proportion to a peak of ${REFERENCE_PEAK} GFLOP/s.`,
  '',
  '| dimensions | image tokens | encode | float peak | in proportion | peak memory |',
  '|---|---|---|---|---|---|',
  ...options.dims.map(row),
];
process.stdout.write(`${lines.join('\n')}\n`);
if (options.write) writeSection('encoder', lines.join('\n'));
