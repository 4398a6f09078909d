// The text networks against onnxruntime, same weights, same inputs, alternated in one run: time, CPU time, and how far
// each precision is from the reference.   npm run bench:reader [-- --threads 2 --rounds 5 --width 1200 --pages DIR --write]
// With --pages the lines of a folder's pictures (`npm run eval:reading` renders some) are read by all, to count the
// characters that differ. onnxruntime is no dependency of the project: `npm run reference:reading` brings it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp, { type Sharp } from 'sharp';
import { openReader } from '../src/engine/reader-engine.js';
import type { Precision } from '../src/engine/native.js';
import { cutLines, findComponents } from '../src/engine/text-lines.js';
import type { TextNetworks } from '../src/engine/text-networks.js';
import { createImageContext, loadImage } from '../src/image/load.js';
import type { RgbImage } from '../src/image/rgb-image.js';
import { decodeSteps } from '../src/reading/characters.js';
import { prepareTile } from '../src/reading/pixel-work.js';
import { THRESHOLD, toTextBoxes } from '../src/reading/text-boxes.js';
import { OnnxNetworks } from '../test/reading/onnx-networks.js';
import { median } from './figures.js';
import { instructionSet } from './instruction-set.js';
import { edits } from './reading/measure.js';
import { expectSection, writeSection } from './results.js';

const FIXTURES = new URL('../test/engine/fixtures/reader/', import.meta.url);
const HEIGHT = 48;

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    width: { type: 'string', default: '1200' },
    pages: { type: 'string' },
    every: { type: 'string', default: '1' },
    write: { type: 'boolean', default: false },
  },
});
const [threads, rounds, width] = [values.threads, values.rounds, values.width].map(Number) as [
  number,
  number,
  number,
];

const section = `reader ${instructionSet()}`;
if (values.write) expectSection(section);

interface Cost {
  wall: number;
  cpu: number;
}

/** The forty lines of the fixtures side by side as crops of `width` columns, and one under the other as a page. */
async function pictures(): Promise<{ page: RgbImage; crops: RgbImage[] }> {
  const lines = JSON.parse(readFileSync(new URL('lines.json', FIXTURES), 'utf8')) as { width: number }[];
  const sheet = readFileSync(new URL('lines.png', FIXTURES));
  const crops: RgbImage[] = [];
  for (let first = 0; first + 4 <= lines.length; first += 4) {
    const parts = await Promise.all(
      lines.slice(first, first + 4).map(async (line, i) => ({
        input: await sharp(sheet)
          .extract({
            left: 0,
            top: (first + i) * HEIGHT,
            width: Math.min(line.width, width / 4),
            height: HEIGHT,
          })
          .png()
          .toBuffer(),
        left: Math.round((i * width) / 4),
        top: 0,
      })),
    );
    crops.push(
      await raw(
        sharp({ create: { width, height: HEIGHT, channels: 3, background: 'white' } }).composite(parts),
      ),
    );
  }
  const page = await raw(sharp(sheet).resize(1280, 800, { fit: 'fill' }));
  return { page, crops };
}

async function raw(picture: Sharp): Promise<RgbImage> {
  const { data, info } = await picture.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

/** The lines of a folder's pictures, as the reference finds them. */
async function linesOf(folder: string, networks: TextNetworks): Promise<RgbImage[]> {
  const images = createImageContext({ folders: 'everywhere' });
  const names = readdirSync(folder).filter((name) => name.endsWith('.png'));
  const lines: RgbImage[] = [];
  for (const name of names.sort().filter((_, at) => at % Number(values.every) === 0)) {
    const picture = await (await loadImage(join(folder, name), images)).pixels();
    const tile = { x: 0, y: 0, width: picture.width, height: picture.height };
    const image = prepareTile({ picture, tile, scale: 1 });
    const map = await networks.detect(image);
    const boxes = toTextBoxes(await findComponents(map, image.width, image.height, THRESHOLD));
    lines.push(...(await cutLines(picture, boxes)).flat().map(({ view }) => view!.crop));
  }
  return lines;
}

async function textsOf(networks: TextNetworks, lines: RgbImage[]): Promise<string[]> {
  const read = await networks.recognise(lines);
  return read.map((steps) =>
    decodeSteps(steps, networks.characters)
      .map(({ text }) => text)
      .join(''),
  );
}

async function cost(work: () => Promise<unknown>): Promise<Cost> {
  const [before, start] = [process.cpuUsage(), performance.now()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: performance.now() - start, cpu: (user + system) / 1000 };
}

const { page, crops } = await pictures();
const engines: { name: string; networks: TextNetworks }[] = [
  { name: 'onnxruntime', networks: await OnnxNetworks.open(threads) },
];
for (const precision of ['exact', 'fast'] as Precision[])
  engines.push({ name: precision, networks: await openReader({ precision, threads }) });

const costs = new Map<string, { detect: Cost[]; recognise: Cost[] }>();
for (let round = -1; round < rounds; round++) {
  for (const { name, networks } of engines) {
    const detect = await cost(() => networks.detect(page));
    const recognise = await cost(() => networks.recognise(crops));
    if (round < 0) continue;
    const known = costs.get(name) ?? { detect: [], recognise: [] };
    known.detect.push(detect);
    known.recognise.push(recognise);
    costs.set(name, known);
  }
}

const reference = engines[0]!.networks;
const [map, steps] = [await reference.detect(page), await reference.recognise(crops)];
const lines = values.pages === undefined ? crops : await linesOf(values.pages, reference);
const texts = await textsOf(reference, lines);
const rows = [
  '| | detect: time · CPU | recognise: time · CPU | map, most | steps with the same class | the same characters |',
  '|---|---|---|---|---|---|',
];
for (const { name, networks } of engines.slice(1)) {
  const ratio = (part: 'detect' | 'recognise', of: keyof Cost): string => {
    const [ours, theirs] = [costs.get(name)!, costs.get('onnxruntime')!].map((c) =>
      c[part].map((one) => one[of]),
    );
    return median(ours!.map((value, i) => value / theirs![i]!)).toFixed(2);
  };
  const [ourMap, ourSteps] = [await networks.detect(page), await networks.recognise(crops)];
  const farthest = ourMap.reduce((most, value, i) => Math.max(most, Math.abs(value - map[i]!)), 0);
  let [same, all] = [0, 0];
  for (const [i, { classes }] of ourSteps.entries())
    for (const [s, c] of classes.entries())
      [same, all] = [same + Number(c === steps[i]!.classes[s]), all + 1];
  const ourTexts = await textsOf(networks, lines);
  const differing = ourTexts.reduce((sum, line, i) => sum + edits(line, texts[i]!), 0);
  const characters = texts.join('').length;
  rows.push(
    `| \`${name}\` | ${ratio('detect', 'wall')} · ${ratio('detect', 'cpu')} | ${ratio('recognise', 'wall')} · ${ratio('recognise', 'cpu')} | ${farthest.toExponential(1)} | ${((100 * same) / all).toFixed(2)} % of ${all} | ${(100 - (100 * differing) / characters).toFixed(3)} % of ${characters} |`,
  );
}
for (const { networks } of engines) await networks.close();
const text = `A page of 1280 × 800 and ${crops.length} lines of ${width} columns, ${threads} threads, medians of ${rounds} rounds; onnxruntime is 1.\n\n${rows.join('\n')}`;
console.log(text);
if (values.write) writeSection(section, text);
