// Our engine behind the commands of contender.ts, on random weights that were written before.
//   tsx bench/peers/ours.ts --dims NAME --weights FOLDER --precision fast --threads N --kv BYTES
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { Precision } from '../../src/engine/native.js';
import { DIMENSIONS } from '../dimensions.js';
import { BenchModel } from '../native-model.js';
import { randomCheckpoint } from '../random-checkpoint.js';
import { syntheticImage, syntheticPrompt } from '../synthetic-prompt.js';
import type { Sample } from './contender.js';

const { values } = parseArgs({
  options: {
    dims: { type: 'string' },
    weights: { type: 'string' },
    precision: { type: 'string' },
    threads: { type: 'string' },
    kv: { type: 'string' },
  },
});

/** Answers with what `work` took; it returns tokens. */
async function answer(work: () => Promise<number>): Promise<void> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const tokens = await work();
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const sample: Sample = { ms, cpu: (user + system) / 1000, tokens };
  process.stdout.write(`${JSON.stringify(sample)}\n`);
}

let bench!: BenchModel;
let seed = 0;
let pictures = 0;
/** Of each session that is held. */
let held: { text: number; seed: number }[] = [];

/** Greedy tokens behind the texts, which are in the cache as far as they were read before. */
async function ask(texts: { text: number; seed: number }[], tokens: number): Promise<void> {
  await bench.ask(syntheticPrompt(bench.model, texts), [], tokens);
}

/** The request ends behind the encoder: llama.cpp is not asked to decode the picture either. */
async function encode(width: number, height: number): Promise<number> {
  const picture = syntheticImage(bench.model, width, height, ++pictures);
  const prompt = syntheticPrompt(bench.model, [{ image: picture }, { text: 8, seed: 1 }]);
  const { request, plan } = bench.engine.begin(prompt, { maxTokens: 1, lowPriority: false, choices: [] });
  const { needed } = await plan;
  for (const key of needed)
    await bench.engine.encode(request, key, bench.model.processor.inputs(picture.image, picture.plan));
  bench.engine.cancel(request);
  return picture.plan.tokens;
}

const commands: Record<string, (a: number, b: number) => Promise<number>> = {
  prefill: async (count) => {
    await ask([{ text: count, seed: ++seed }], 1);
    return count;
  },
  hold: async (sessions, depth) => {
    held = Array.from({ length: sessions }, () => ({ text: depth, seed: ++seed }));
    for (const session of held) await ask([session], 1);
    return sessions * depth;
  },
  decode: async (steps, sessions) => {
    await Promise.all(held.slice(0, sessions).map((session) => ask([session], steps)));
    return steps * sessions;
  },
  question: async (count) => {
    await ask([held[0]!, { text: count, seed: ++seed }], 1);
    return count;
  },
  image: encode,
};

const { checkpoint } = randomCheckpoint(DIMENSIONS[values.dims!]!(), 4, { written: values.weights! });
await answer(async () => {
  const precision = values.precision as Precision;
  bench = new BenchModel({
    checkpoint,
    precision,
    kvType: 'f16',
    threads: Number(values.threads),
    kvBytes: Number(values.kv),
  });
  await bench.load();
  return 0;
});
await ask([{ text: 64, seed: ++seed }], 4); // as the other side's first context
for await (const line of createInterface(process.stdin)) {
  const [what, a, b] = line.split(' ');
  if (what === 'peak')
    process.stdout.write(`${JSON.stringify({ mb: process.resourceUsage().maxRSS / 1024 })}\n`);
  else await answer(() => commands[what!]!(Number(a), Number(b)));
}
await bench.engine.close();
