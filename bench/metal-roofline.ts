// npm run -s bench:metal > bench/metal-roofline.md
// Bytes and operations per token of the Metal kernels, counted while the real decoder program runs on the emulator, how
// the host divides the work, and the bound that memory sets on Macs. Fails where one of the wanted figures is missed.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DECODERS, EXPERT_DECODER, type DecoderModel } from './decoder-dimensions.js';
import {
  combine,
  countRun,
  divide,
  none,
  operationsOnMatrices,
  scaled,
  total,
  type Division,
  type KernelTraffic,
  type Traffic,
} from './kernel-traffic.js';

const CONTEXT = 2048;
const PREFILL = 512;
const CHUNK = 256; // rows of prefill that the engine runs at once
const TILE = 32; // rows of the kernels on matrices where there are more than 8
const FEW = 512; // columns and rows of what is counted in small and follows in full; a multiple of all tiles
const ALLOWED = 1.05;
const ON_MATRICES = 0.95; // of prefill's operations, at least
const MOST_OPERATIONS = 20e9; // of a dispatch
const LIMITS = { model: 'Qwen2-VL-2B', dispatches: 250, commandBuffers: 6 }; // of a decoded token
const GROUP = 64;
const BYTES_PER_WEIGHT = 0.5 + 4 / GROUP; // 4-bit codes; bf16 scale and bias per group
const KV_BYTES = 2;

// GB/s; see SOURCES.
const MACS = [
  { name: 'M1', bandwidth: 67 },
  { name: 'M2 Pro', bandwidth: 200 },
  { name: 'M3 Max', bandwidth: 400 },
  { name: 'M4', bandwidth: 120 },
  { name: 'M4 Max', bandwidth: 546 },
];
const M1_TFLOPS = 2.6;
const SOURCES = [
  '## Sources of the bounds',
  '',
  'Bandwidth as Apple announced it: M1 67 GB/s, from “100 GB/s, 50 percent more than M1” for M2',
  '(https://www.macrumors.com/2022/06/06/apple-announces-m2-chip-with-support-for-up-to-24gb-memory/); M2 Pro 200 GB/s (Apple',
  'newsroom, 17 January 2023); M3 Max with 40 GPU cores 400 GB/s and M4 Max with 40 GPU cores 546 GB/s',
  '(https://macmegasite.com/2024/10/30/m4-max-chip-has-16-core-cpu-40-core-gpu-and-35-increase-in-memory-bandwidth); M4 120 GB/s',
  '(https://www.businesstoday.in/technology/news/story/apple-unveils-m4-pro-m4-max-chipset-with-better-power-efficiency-and-performance-452135-2024-10-30).',
  'Arithmetic: M1 2.6 TFLOP/s (https://www.macrumors.com/2020/11/10/apple-announces-m1-chip-for-the-mac/). We know of no rate',
  'that Apple published for the other GPUs, so there is no bound by arithmetic for them.',
].join('\n');

interface Divided {
  model: DecoderModel;
  token: Division;
  /** Of all rows, one after the other. */
  chunks: Division[];
}

interface Counted extends Divided {
  decode: KernelTraffic;
  /** Of all rows. */
  prefill: KernelTraffic;
}

/**
 * All layers and columns of the MLP from runs with few: counts are linear in both, in steps of a tile. The first
 * layer's DeepStack addition stands for those of the next layers.
 */
async function allLayers(model: DecoderModel, rows: number, end: number): Promise<KernelTraffic> {
  const run = async (layers: number, intermediate: number): Promise<KernelTraffic> => {
    const { all, last } = await countRun(model, { layers, intermediate, vocab: FEW }, rows, end);
    return combine(1, all, -1, last);
  };
  const one = await run(1, FEW);
  const two = await run(2, FEW);
  const columns = combine(1, await run(2, 2 * FEW), -1, two); // FEW more in two layers
  const wide = model.text.intermediate / FEW - 1;
  const layer = combine(1, combine(1, two, -1, one), wide / 2, columns);
  const all = combine(1, combine(1, one, wide / 2, columns), model.text.layers - 1, layer);
  const addition = one.get('add_rows');
  if (addition) all.set('add_rows', scaled(model.deepstack, addition));
  return all;
}

/** The logits of one row. */
async function head(model: DecoderModel): Promise<KernelTraffic> {
  const run = async (vocab: number): Promise<KernelTraffic> =>
    (await countRun(model, { layers: 1, intermediate: GROUP, vocab }, 1, GROUP)).last;
  const few = await run(FEW);
  return combine(1, few, model.text.vocab / FEW - 1, combine(1, await run(2 * FEW), -1, few));
}

/** Attention of a whole prefill, which knows heads and not the hidden width: one kv head of one layer, repeated. */
async function prefillAttention(model: DecoderModel): Promise<KernelTraffic> {
  const { heads, kvHeads, layers } = model.text;
  const narrow = { hidden: GROUP, intermediate: GROUP, vocab: FEW, layers: 1 };
  const { all } = await countRun(model, { ...narrow, heads: heads / kvHeads, kvHeads: 1 }, PREFILL, PREFILL);
  const kernels = [...all].filter(([kernel]) => kernel.startsWith('attention_'));
  return new Map(kernels.map(([kernel, t]) => [kernel, scaled(kvHeads * layers, t)]));
}

/** `tiles` row tiles from one: the distinct weights stay the same. */
const repeatedTiles = (kernels: KernelTraffic, tiles: number): KernelTraffic =>
  new Map([...kernels].map(([kernel, t]) => [kernel, { ...scaled(tiles, t), weights: t.weights }]));

async function count(model: DecoderModel): Promise<Pick<Counted, 'decode' | 'prefill'>> {
  const logits = await head(model);
  const decode = combine(1, await allLayers(model, 1, CONTEXT), 1, logits);
  const tile = await allLayers(model, TILE, TILE);
  for (const kernel of tile.keys()) if (kernel.startsWith('attention_')) tile.delete(kernel);
  const layers = combine(1, repeatedTiles(tile, PREFILL / TILE), 1, await prefillAttention(model));
  const prefill = combine(1, layers, 1, logits);
  return { decode, prefill };
}

/** What a decoded token cannot do without, from the shapes alone. */
function needed({ text }: DecoderModel): { weights: number; kv: number } {
  const { hidden, intermediate, heads, kvHeads, headDim } = text;
  const layer = hidden * headDim * (2 * heads + 2 * kvHeads) + 3 * hidden * intermediate;
  return {
    weights: (text.layers * layer + text.vocab * hidden) * BYTES_PER_WEIGHT,
    kv: text.layers * kvHeads * headDim * 2 * KV_BYTES * CONTEXT,
  };
}

/** Weights and KV as often as threadgroups ask for them, everything else once per dispatch. */
const moved = (t: Traffic): number => t.weightsFetched + t.kvFetched + t.other;
const mb = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0);
const row = (cells: (string | number)[]): string => `| ${cells.join(' | ')} |`;
const header = (cells: string[]): string[] => [row(cells), row(cells.map(() => '---'))];

function decodeTable(counted: Counted[]): string[] {
  const lines = header([
    'model',
    'weights MB',
    'KV MB',
    'moved MB',
    'moved / (weights + KV)',
    'GFLOP',
    ...MACS.map(({ name }) => name),
  ]);
  for (const { model, decode } of counted) {
    const { weights, kv } = needed(model);
    const sum = total(decode);
    const bytes = moved(sum);
    lines.push(
      row([
        model.name,
        mb(weights),
        mb(kv),
        mb(bytes),
        (bytes / (weights + kv)).toFixed(3),
        (sum.operations / 1e9).toFixed(1),
        ...MACS.map(({ bandwidth }) => ((bandwidth * 1e9) / bytes).toFixed(0)),
      ]),
    );
  }
  return lines;
}

function prefillTable(counted: Counted[]): string[] {
  const lines = header([
    'model',
    'GFLOP per token',
    'moved MB per token, shared cache',
    'moved MB per token, no sharing',
    ...MACS.map(({ name }) => `${name}, by memory`),
    'M1, by arithmetic',
  ]);
  for (const { model, prefill } of counted) {
    const sum = total(prefill);
    const operations = sum.operations / PREFILL;
    const shared = (sum.weights + sum.kv + sum.other) / PREFILL;
    const alone = moved(sum) / PREFILL;
    lines.push(
      row([
        model.name,
        (operations / 1e9).toFixed(1),
        mb(shared),
        mb(alone),
        ...MACS.map(
          ({ bandwidth }) =>
            `${((bandwidth * 1e9) / alone).toFixed(0)} to ${((bandwidth * 1e9) / shared).toFixed(0)}`,
        ),
        ((M1_TFLOPS * 1e12) / operations).toFixed(0),
      ]),
    );
  }
  return lines;
}

/** What this page said when quantized matrices and attention were dot products of lanes, 8 rows at a time. */
const BEFORE: Record<string, { moved: number; decode: number; prefill: number; alone: number }> = {
  'Qwen2.5-VL-7B': { moved: 1.01, decode: 20.5, prefill: 18.1, alone: 496 },
  'Qwen3-VL-4B': { moved: 1.014, decode: 12.4, prefill: 10.2, alone: 297 },
};

function beforeTable(counted: Counted[]): string[] {
  const lines = header([
    'model',
    'decode: moved / (weights + KV)',
    'GFLOP per token',
    'prefill: GFLOP per token',
    'moved MB per token, no sharing',
  ]);
  for (const { model, decode, prefill } of counted) {
    const before = BEFORE[model.name];
    if (!before) continue;
    const { weights, kv } = needed(model);
    const now = [
      (moved(total(decode)) / (weights + kv)).toFixed(3),
      (total(decode).operations / 1e9).toFixed(1),
      (total(prefill).operations / PREFILL / 1e9).toFixed(1),
      mb(moved(total(prefill)) / PREFILL),
    ];
    const then = [before.moved.toFixed(3), before.decode, before.prefill, before.alone];
    lines.push(row([model.name, ...now.map((figure, i) => `${then[i]} → ${figure}`)]));
  }
  return lines;
}

/** Operations of the products alone, and all of the kernels that hold them, as shares of everything that is counted. */
function matrixShares({ prefill, chunks }: Counted): { products: number; kernels: number } {
  const all = total(prefill).operations;
  const products = chunks.reduce((sum, { matrixOperations }) => sum + matrixOperations, 0);
  return { products: products / all, kernels: operationsOnMatrices(prefill) / all };
}

/** Of the last chunk, which has the most positions before it. */
const lastOf = ({ chunks }: Divided): Division => chunks.at(-1)!;

/** What `divisionTable` says before its shares. */
function divisionCells(one: Divided): (string | number)[] {
  const { model, token } = one;
  const chunk = lastOf(one);
  const largest = (chunk.mostOperations / 1e9).toFixed(1);
  return [
    model.name,
    token.dispatches,
    token.commandBuffers,
    chunk.dispatches,
    chunk.commandBuffers,
    largest,
  ];
}

const DIVISION = [
  'model',
  'dispatches of a decoded token',
  'command buffers',
  `dispatches of the last ${CHUNK} rows of prefill`,
  'command buffers',
  'GFLOP of the largest dispatch',
];
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Of the products of prefill, from the shapes. */
function productsOnMatrices({ chunks }: Divided): number {
  const sum = (field: 'matrixOperations' | 'operations'): number =>
    chunks.reduce((all, chunk) => all + chunk[field], 0);
  return sum('matrixOperations') / sum('operations');
}

const expertTable = (one: Divided): string[] => [
  ...header([...DIVISION, 'products of prefill on matrices']),
  row([...divisionCells(one), percent(productsOnMatrices(one))]),
];

function divisionTable(counted: Counted[]): string[] {
  const lines = header([...DIVISION, 'prefill on matrices', 'its products alone']);
  for (const one of counted) {
    const share = matrixShares(one);
    lines.push(row([...divisionCells(one), percent(share.kernels), percent(share.products)]));
  }
  return lines;
}

function kernelTable(counted: Counted[], phase: 'decode' | 'prefill'): string[] {
  const per = phase === 'decode' ? 1 : PREFILL;
  const kernels = [...new Set(counted.flatMap((c) => [...c[phase].keys()]))].sort();
  const lines = header(['kernel', ...counted.flatMap(({ model }) => [`${model.name} MB`, 'MFLOP'])]);
  for (const kernel of kernels) {
    const cells = counted.flatMap((c) => {
      const traffic = c[phase].get(kernel) ?? none();
      return [
        mb(moved(traffic) / per),
        (traffic.operations / per / 1e6).toFixed(traffic.operations / per < 1e7 ? 2 : 0),
      ];
    });
    lines.push(row([kernel, ...cells]));
  }
  return lines;
}

/** A process of its own: a count keeps one core busy for minutes, and a device is as it was found at the start. */
async function apart(model: DecoderModel, part: string, env: Record<string, string> = {}): Promise<unknown> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), model.name, part],
    { maxBuffer: 1 << 24, env: { ...process.env, ...env } },
  );
  return JSON.parse(stdout);
}

async function countApart(model: DecoderModel): Promise<Counted> {
  const counts = (await apart(model, 'count')) as Record<'decode' | 'prefill', [string, Traffic][]>;
  const divided = (await apart(model, 'divide', { RIG_DRY: '1' })) as Pick<Counted, 'token' | 'chunks'>;
  return { model, decode: new Map(counts.decode), prefill: new Map(counts.prefill), ...divided };
}

/** Kernels are proved by a run of a small one, and the division of the work follows from shapes. */
async function divideExperts(): Promise<Divided> {
  await apart(EXPERT_DECODER, 'prove');
  const divided = (await apart(EXPERT_DECODER, 'divide', { RIG_DRY: '1' })) as Omit<Divided, 'model'>;
  return { model: EXPERT_DECODER, ...divided };
}

const only = [...DECODERS, EXPERT_DECODER].find(({ name }) => name === process.argv[2]);
if (only && process.argv[3] === 'divide') {
  const token = await divide(only, 1, CONTEXT);
  const chunks: Division[] = [];
  for (let end = CHUNK; end <= PREFILL; end += CHUNK) chunks.push(await divide(only, CHUNK, end));
  console.log(JSON.stringify({ token, chunks }));
  process.exit();
}
if (only && process.argv[3] === 'prove') {
  const small = { hidden: 4 * GROUP, heads: 2, kvHeads: 1, layers: 1, vocab: FEW };
  for (const rows of [1, TILE]) await countRun(only, small, rows, TILE);
  console.log('{}');
  process.exit();
}
if (only) {
  const { decode, prefill } = await count(only);
  console.log(JSON.stringify({ decode: [...decode], prefill: [...prefill] }));
  process.exit();
}
const counted = await Promise.all(DECODERS.map(countApart));
const experts = await divideExperts();
console.log(
  [
    '# Metal roofline',
    '',
    'Made by `npm run bench:metal`. **Bytes and operations are counted, speed is not measured: nothing here has run on Apple',
    'hardware.** The decoder program of each model runs on the emulated backend with kernels that report every load, store and',
    'f32 operation (`native/metal/rig/traffic/`): real hidden widths and heads, 4 bit weights in groups of 64, f16 KV. What is not',
    `run but follows, because counts are linear in it: layers beyond the second, columns of the MLP and of the vocabulary beyond ${2 * FEW},`,
    `and in prefill the row tiles beyond the first (${TILE} rows each) and the kv heads of attention, which is run at all ${PREFILL} rows.`,
    '',
    'Bytes are lines of 64. `moved` counts weights and KV once for every threadgroup that reads them, as if no threadgroup ever found',
    "another one's in a cache, and activations once per dispatch. One operation is one f32 addition, multiplication, division or",
    'function; a fused multiply-add is two. Rates are upper bounds in tokens per second.',
    '',
    `## Decode of one token at position ${CONTEXT}`,
    '',
    ...decodeTable(counted),
    '',
    `## Prefill of ${PREFILL} tokens`,
    '',
    'The two rates by memory: if no threadgroup shares with another, and if all share everything within a dispatch.',
    '',
    ...prefillTable(counted),
    '',
    '## Division of the work',
    '',
    'Of the whole decoder, on a device that computes nothing. “On matrices” are all operations of the kernels on simdgroup matrices,',
    'dequantization included; “its products alone” are two for each weight and row, and what attention multiplies. Both are shares of',
    'everything that is counted.',
    'Before operators were joined each was a dispatch of its own (14 a layer, with that of the cache) and 16 made a command buffer:',
    'about 395 and 23 where there are 28 layers.',
    '',
    ...divisionTable(counted),
    '',
    'With experts, which take the rows that are routed to them 32 at a time, padded to 8. What they compute beside their products',
    'depends on who is routed where and is not counted:',
    '',
    ...expertTable(experts),
    '',
    '## Before and after simdgroup matrices',
    '',
    'Matrices take one row as eight: a decoded token computes more than dot products did, on units that would be idle.',
    '',
    ...beforeTable(counted),
    '',
    '## Decode by kernel, per token',
    '',
    ...kernelTable(counted, 'decode'),
    '',
    '## Prefill by kernel, per token',
    '',
    ...kernelTable(counted, 'prefill'),
    '',
    SOURCES,
  ].join('\n'),
);
function problemsOf(one: Counted): string[] {
  const { model, decode, token, chunks } = one;
  const { weights, kv } = needed(model);
  const ratio = moved(total(decode)) / (weights + kv);
  const share = matrixShares(one).kernels;
  const limited = model.name === LIMITS.model;
  const expected: [boolean, string][] = [
    // Less than everything would mean that the count misses something.
    [
      ratio >= 1 && ratio <= ALLOWED,
      `a decoded token moves ${ratio.toFixed(3)} × (weights + KV); expected 1 to ${ALLOWED}`,
    ],
    [
      share >= ON_MATRICES,
      `${(100 * share).toFixed(1)} % of prefill is on matrices; expected ${100 * ON_MATRICES} % or more`,
    ],
    [
      chunks.every(({ mostOperations }) => mostOperations <= MOST_OPERATIONS),
      `a dispatch of prefill has more than ${MOST_OPERATIONS} operations`,
    ],
    [
      !limited || token.dispatches <= LIMITS.dispatches,
      `a decoded token takes ${token.dispatches} dispatches; expected ${LIMITS.dispatches} at most`,
    ],
    [
      !limited || token.commandBuffers <= LIMITS.commandBuffers,
      `a decoded token takes ${token.commandBuffers} command buffers; expected ${LIMITS.commandBuffers} at most`,
    ],
  ];
  return expected.flatMap(([holds, what]) => (holds ? [] : [`${model.name}: ${what}.`]));
}

function problemsOfExperts(one: Divided): string[] {
  const share = productsOnMatrices(one);
  const most = Math.max(...one.chunks.map(({ mostOperations }) => mostOperations));
  const expected: [boolean, string][] = [
    [
      share >= ON_MATRICES,
      `${percent(share)} of prefill's products are on matrices; expected ${percent(ON_MATRICES)} or more`,
    ],
    [
      most <= MOST_OPERATIONS,
      `a dispatch of prefill has ${most} operations; expected ${MOST_OPERATIONS} at most`,
    ],
  ];
  return expected.flatMap(([holds, what]) => (holds ? [] : [`${one.model.name}: ${what}.`]));
}

const problems = [...counted.flatMap(problemsOf), ...problemsOfExperts(experts)];
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
