// npm run bench:distance -- [--pictures FOLDER] [--tokens 40] [--write] [CHECKPOINT…]
// How far each setting is from exact arithmetic with an f32 KV cache: greedy answers about real pictures, compared row by
// row up to and including the first token that differs, and what the vision encoder makes of the pictures. --write puts
// the table into bench/results.md.
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ImageInput } from '../src/image/rgb-image.js';
import { loadModel } from '../src/engine/load-model.js';
import { starterFolder } from '../src/engine/model-folder.js';
import { createRunner, type KvType, type Precision } from '../src/engine/native.js';
import { createImageContext, loadImage } from '../src/image/load.js';
import { openModel } from '../src/models/registry.js';
import { describeQuestion, ocrQuestion, systemMessage, userMessage } from '../src/prompt/layout.js';
import { instructionSet } from './instruction-set.js';
import { expectSection, writeSection } from './results.js';

const SETTINGS: [Precision, KvType][] = [
  ['exact', 'f16'],
  ['exact', 'q8'],
  ['fast', 'f16'],
  ['fast', 'q8'],
  ['faster', 'f16'],
];
const QUESTIONS = [describeQuestion('brief'), describeQuestion('full'), ocrQuestion('text')];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pictures: { type: 'string' },
    tokens: { type: 'string', default: '40' },
    write: { type: 'boolean', default: false },
  },
});

interface Row {
  token: number;
  logits: Float32Array;
}

/** Greedy answers of one setting, a list of rows for each picture and question. */
async function answers(
  model: string,
  precision: Precision,
  kvType: KvType,
  images: ImageInput[],
): Promise<Row[][]> {
  const loaded = await loadModel({ model, precision, kvType }, () => {});
  const out: Row[][] = [];
  for (const image of images) {
    for (const question of QUESTIONS) {
      const prompt = await loaded.prompts.prepare([systemMessage(), userMessage([image], question)]);
      const options = { maxTokens: Number(values.tokens), lowPriority: false, choices: [] };
      const { request, plan } = loaded.native.begin(prompt.native, options);
      await loaded.encodeMissing(request, prompt, (await plan).needed);
      const sampling = { ...loaded.sampling({}), captureLogits: true, weighTokens: false };
      const { tokens, logits } = await loaded.native.generate(
        request,
        sampling,
        () => {},
        () => {},
      );
      out.push(logits.map((row, i) => ({ token: tokens[i] ?? -1, logits: row })));
    }
  }
  await loaded.close();
  return out;
}

/** What the vision encoder makes of the pictures. */
async function features(folder: string, precision: Precision, images: ImageInput[]): Promise<Float32Array[]> {
  const { checkpoint, model } = openModel(folder);
  const { files, headers } = checkpoint;
  const program = JSON.stringify(model.vision);
  const runner = await createRunner({ files, headers, program, precision, kvType: 'f32', backend: 'cpu' });
  const out: Float32Array[] = [];
  for (const image of images) {
    const { width, height } = image;
    const inputs = model.processor.inputs(await image.pixels(), model.processor.plan(width, height));
    out.push((await runner.run({ inputs })).features!.data as Float32Array);
  }
  await runner.close();
  return out;
}

/** Root of the mean square of the differences, in that of the first. */
function relativeDistance(exact: Float32Array[], other: Float32Array[]): number {
  let [difference, size] = [0, 0];
  for (const [i, values] of exact.entries()) {
    for (const [j, value] of values.entries()) {
      difference += (value - other[i]![j]!) ** 2;
      size += value ** 2;
    }
  }
  return Math.sqrt(difference / size);
}

/** KL(p ‖ q) of two rows of logits, in nats. */
function divergence(p: Float32Array, q: Float32Array): number {
  const [a, b] = [logPartition(p), logPartition(q)];
  return p.reduce((sum, x, i) => sum + Math.exp(x - a) * (x - a - (q[i]! - b)), 0);
}

function logPartition(row: Float32Array): number {
  const largest = row.reduce((m, x) => Math.max(m, x), -Infinity);
  return largest + Math.log(row.reduce((sum, x) => sum + Math.exp(x - largest), 0));
}

interface Distance {
  rows: number;
  agreeing: number;
  mean: number;
  largest: number;
}

function distance(exact: Row[][], other: Row[][]): Distance {
  const found: Distance = { rows: 0, agreeing: 0, mean: 0, largest: 0 };
  for (const [i, rows] of exact.entries()) {
    for (const [j, row] of rows.entries()) {
      const twin = other[i]![j];
      if (!twin) break;
      const kl = divergence(row.logits, twin.logits);
      found.rows++;
      found.mean += kl;
      found.largest = Math.max(found.largest, kl);
      if (row.token !== twin.token) break;
      found.agreeing++;
    }
  }
  return { ...found, mean: found.mean / found.rows };
}

const section = `distance ${instructionSet()}`;
if (values.write) expectSection(section);
const pictures = values.pictures ?? join(starterFolder(), 'examples');
const context = createImageContext({ folders: 'everywhere', cwd: process.cwd() });
const files = readdirSync(pictures).filter((name) => name.endsWith('.png'));
const images = await Promise.all(files.sort().map((name) => loadImage(join(pictures, name), context)));
const lines = [
  `Rows of greedy answers about ${images.length} pictures against exact arithmetic with an f32 KV cache.`,
  '',
  '| checkpoint | precision, KV | features | rows | same token | KL, mean | KL, largest |',
  '|---|---|---|---|---|---|---|',
];
for (const model of positionals.length > 0 ? positionals : [starterFolder()]) {
  const exact = await answers(model, 'exact', 'f32', images);
  const seen = await features(model, 'exact', images);
  for (const [precision, kvType] of SETTINGS) {
    const found = distance(exact, await answers(model, precision, kvType, images));
    const apart = relativeDistance(seen, await features(model, precision, images));
    const share = `${((100 * found.agreeing) / found.rows).toFixed(2)} %`;
    lines.push(
      `| ${basename(model)} | ${precision}, ${kvType} | ${apart === 0 ? '0' : apart.toExponential(1)} | ${found.rows} | ${share} | ${found.mean.toExponential(1)} | ${found.largest.toExponential(1)} |`,
    );
    process.stderr.write(`${lines.at(-1)!}\n`);
  }
}
process.stdout.write(`${lines.join('\n')}\n`);
if (values.write) writeSection(section, lines.join('\n'));
