// npm run -s bench:metal > bench/metal-roofline.md
// Bytes and operations per token of the Metal kernels, counted while the real decoder program runs on the emulator, and
// the bound that memory sets on Macs. Fails where a decoded token moves more than 1.05 × (weights + KV read).
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DECODERS, type DecoderModel } from './decoder-dimensions.js';
import type { Decoder } from './dimensions.js';
import {
  combine,
  countRun,
  none,
  scaled,
  total,
  type KernelTraffic,
  type Traffic,
} from './kernel-traffic.js';

const CONTEXT = 2048;
const PREFILL = 512;
const TILE = 8; // rows of the quantized matrix kernels
const ALLOWED = 1.05;
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

interface Counted {
  model: DecoderModel;
  decode: KernelTraffic;
  /** Of all rows. */
  prefill: KernelTraffic;
}

/** All layers from runs with one and with two of them: the others are like the second. */
async function allLayers(
  model: DecoderModel,
  changed: Partial<Decoder>,
  rows: number,
  end: number,
): Promise<{ all: KernelTraffic; last: KernelTraffic }> {
  const one = await countRun(model, { ...changed, layers: 1 }, rows, end);
  const two = await countRun(model, { ...changed, layers: 2 }, rows, end);
  const repeated = model.text.layers - 1;
  const all = combine(1 - repeated, one.all, repeated, two.all);
  // The first layer's DeepStack addition stands for those of the next layers.
  const addition = one.all.get('add_rows');
  if (addition) all.set('add_rows', scaled(model.deepstack, addition));
  return { all, last: one.last };
}

/** `tiles` row tiles from one: the distinct weights stay the same. */
const repeatedTiles = (kernels: KernelTraffic, tiles: number): KernelTraffic =>
  new Map([...kernels].map(([kernel, t]) => [kernel, { ...scaled(tiles, t), weights: t.weights }]));

async function count(model: DecoderModel): Promise<Counted> {
  // Logits come from one row in either phase: they are counted once, the layers beside a small vocabulary.
  const vocab = 1024;
  const head = (await countRun(model, { layers: 1, intermediate: GROUP }, 1, GROUP)).last;
  const token = await allLayers(model, { vocab }, 1, CONTEXT);
  const decode = combine(1, combine(1, token.all, -1, token.last), 1, head);
  const tile = await allLayers(model, { vocab }, TILE, TILE);
  const layers = repeatedTiles(combine(1, tile.all, -1, tile.last), PREFILL / TILE);
  const prefill = combine(1, layers, 1, head);
  // Attention knows heads, not the hidden width: counted at its full length in a narrow decoder.
  const narrow = await allLayers(model, { hidden: GROUP, intermediate: GROUP, vocab }, PREFILL, PREFILL);
  for (const kernel of [...prefill.keys(), ...narrow.all.keys()])
    if (kernel.startsWith('attention_')) prefill.set(kernel, narrow.all.get(kernel) ?? none());
  return { model, decode, prefill };
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
const head = (cells: string[]): string[] => [row(cells), row(cells.map(() => '---'))];

function decodeTable(counted: Counted[]): string[] {
  const lines = head([
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
  const lines = head([
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

function kernelTable(counted: Counted[], phase: 'decode' | 'prefill'): string[] {
  const per = phase === 'decode' ? 1 : PREFILL;
  const kernels = [...new Set(counted.flatMap((c) => [...c[phase].keys()]))].sort();
  const lines = head(['kernel', ...counted.flatMap(({ model }) => [`${model.name} MB`, 'MFLOP'])]);
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

/** Each model in a process of its own: a count keeps one core busy for minutes. */
async function countApart(model: DecoderModel): Promise<Counted> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), model.name],
    { maxBuffer: 1 << 24 },
  );
  const { decode, prefill } = JSON.parse(stdout) as Record<'decode' | 'prefill', [string, Traffic][]>;
  return { model, decode: new Map(decode), prefill: new Map(prefill) };
}

const only = DECODERS.find(({ name }) => name === process.argv[2]);
if (only) {
  const { decode, prefill } = await count(only);
  console.log(JSON.stringify({ decode: [...decode], prefill: [...prefill] }));
  process.exit();
}
const counted = await Promise.all(DECODERS.map(countApart));
console.log(
  [
    '# Metal roofline',
    '',
    'Made by `npm run bench:metal`. **Bytes and operations are counted, speed is not measured: nothing here has run on Apple',
    'hardware.** The decoder program of each model runs on the emulated backend with kernels that report every load, store and',
    'f32 operation (`native/metal/rig/traffic/`): real widths, heads and vocabulary, 4 bit weights in groups of 64, f16 KV. What is',
    'not run but follows: layers beyond the second (the difference of a run with two and one with one is multiplied), and in',
    `prefill the row tiles beyond the first (${TILE} rows each, all alike; attention is run at all ${PREFILL} rows).`,
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
for (const { model, decode } of counted) {
  const { weights, kv } = needed(model);
  const ratio = moved(total(decode)) / (weights + kv);
  // Less than everything would mean that the count misses something.
  if (ratio >= 1 && ratio <= ALLOWED) continue;
  console.error(
    `${model.name}: a decoded token moves ${ratio.toFixed(3)} × (weights + KV); expected 1 to ${ALLOWED}.`,
  );
  process.exitCode = 1;
}
