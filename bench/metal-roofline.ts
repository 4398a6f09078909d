// Bytes and operations per token of the Metal kernels, and the bound they set on Macs that we have not run on:
//   npx tsx bench/metal-roofline.ts > bench/metal-roofline.md
// Derived from the kernels' access pattern (each file's header), not measured: no Apple hardware was at hand.
/* eslint-disable no-console */

interface Dims {
  name: string;
  hidden: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  mlp: number;
  vocab: number;
}
// config.json of the checkpoints on the hub; text decoder only.
const MODELS: Dims[] = [
  {
    name: 'Qwen2.5-VL-3B',
    hidden: 2048,
    layers: 36,
    heads: 16,
    kvHeads: 2,
    headDim: 128,
    mlp: 11008,
    vocab: 151936,
  },
  {
    name: 'Qwen2.5-VL-7B',
    hidden: 3584,
    layers: 28,
    heads: 28,
    kvHeads: 4,
    headDim: 128,
    mlp: 18944,
    vocab: 152064,
  },
  {
    name: 'Qwen3-VL-4B',
    hidden: 2560,
    layers: 36,
    heads: 32,
    kvHeads: 8,
    headDim: 128,
    mlp: 9728,
    vocab: 151936,
  },
];
// Memory bandwidth as Apple publishes it, GB/s. f32 rates are cores × 128 lanes × 2 × clock, TFLOP/s, not published.
const MACS = [
  { name: 'M1', bandwidth: 68.25, tflops: 2.6 },
  { name: 'M2 Pro', bandwidth: 200, tflops: 6.8 },
  { name: 'M3 Max', bandwidth: 400, tflops: 14.2 },
  { name: 'M4', bandwidth: 120, tflops: 4.3 },
  { name: 'M4 Max', bandwidth: 546, tflops: 18.4 },
];
const CONTEXT = 2048;
const PREFILL = 512;
const ROWS_PER_READ = 8; // linear_quantized: weights are read once for this many rows
const QUERIES = 4; // attention: queries that share one reading of keys and values
const BYTES_PER_WEIGHT = 0.5 + 4 / 64; // 4-bit codes, bf16 scale and bias per 64
const KV_BYTES = 2;

interface Count {
  weights: number; // read once, bytes
  kv: number; // read once, bytes
  moved: number; // what the kernels request, bytes
  flops: number;
}

function matrices(d: Dims): [out: number, columns: number][] {
  const q = d.heads * d.headDim;
  const kv = d.kvHeads * d.headDim;
  return [
    [q, d.hidden],
    [kv, d.hidden],
    [kv, d.hidden],
    [d.hidden, q],
    [d.mlp, d.hidden],
    [d.mlp, d.hidden],
    [d.hidden, d.mlp],
  ];
}

/** One run of `rows` rows ending at `context` positions; logits for the last row. */
function count(d: Dims, rows: number, context: number): Count {
  const total: Count = { weights: 0, kv: 0, moved: 0, flops: 0 };
  const linear = (out: number, columns: number, r: number): void => {
    const weight = out * columns * BYTES_PER_WEIGHT;
    total.weights += weight;
    total.moved += weight * Math.ceil(r / ROWS_PER_READ) + 4 * r * (columns + out);
    total.flops += 2 * r * out * columns;
  };
  for (let layer = 0; layer < d.layers; layer++) {
    for (const [out, columns] of matrices(d)) linear(out, columns, rows);
    const perPosition = 2 * d.headDim * KV_BYTES * d.kvHeads;
    const seen = context - (rows - 1) / 2; // mean over the rows
    total.kv += perPosition * context;
    total.moved +=
      perPosition * seen * Math.ceil((rows * d.heads) / d.kvHeads / QUERIES) +
      2 * 4 * rows * d.heads * d.headDim;
    total.flops += 4 * rows * seen * d.heads * d.headDim;
    // Two norms, two residuals, rope of q and k, the gated activation: read and written in f32.
    total.moved +=
      4 * rows * (4 * d.hidden + 2 * d.hidden + 2 * (d.heads + d.kvHeads) * d.headDim + 3 * d.mlp);
  }
  linear(d.vocab, d.hidden, 1);
  return total;
}

function row(cells: (string | number)[]): string {
  return `| ${cells.join(' | ')} |`;
}

const mb = (bytes: number): string => (bytes / 1e6).toFixed(0);

function decodeTable(): string[] {
  const lines = [
    row(['model', 'weights MB', 'KV MB', 'moved MB', 'moved / (weights + KV)', ...MACS.map((m) => m.name)]),
    row(Array<string>(5 + MACS.length).fill('---')),
  ];
  for (const d of MODELS) {
    const c = count(d, 1, CONTEXT);
    const bound = MACS.map((mac) => ((mac.bandwidth * 1e9) / c.moved).toFixed(0));
    lines.push(
      row([
        d.name,
        mb(c.weights),
        mb(c.kv),
        mb(c.moved),
        (c.moved / (c.weights + c.kv)).toFixed(3),
        ...bound,
      ]),
    );
  }
  return lines;
}

function prefillTable(): string[] {
  const lines = [
    row(['model', 'GFLOP per token', 'MB per token', ...MACS.map((m) => m.name)]),
    row(Array<string>(3 + MACS.length).fill('---')),
  ];
  for (const d of MODELS) {
    const c = count(d, PREFILL, PREFILL);
    const bound = MACS.map((mac) =>
      Math.min(
        (mac.tflops * 1e12) / (c.flops / PREFILL),
        (mac.bandwidth * 1e9) / (c.moved / PREFILL),
      ).toFixed(0),
    );
    lines.push(row([d.name, (c.flops / PREFILL / 1e9).toFixed(1), mb(c.moved / PREFILL), ...bound]));
  }
  return lines;
}

console.log(
  [
    '# Metal roofline',
    '',
    'Made by `npx tsx bench/metal-roofline.ts`. **Not measured: nothing here has run on Apple hardware.** Bytes and operations follow from',
    'how the kernels read memory; the last columns are upper bounds in tokens per second, assuming that nothing but memory (published',
    'bandwidth) or f32 arithmetic (lanes × clock) limits. Requests that a cache answers are counted as memory traffic.',
    '',
    `## Decode, 4 bit, group 64, ${CONTEXT} positions of f16 KV`,
    '',
    ...decodeTable(),
    '',
    `## Prefill of ${PREFILL} tokens, 4 bit`,
    '',
    ...prefillTable(),
  ].join('\n'),
);
