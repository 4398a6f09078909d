// Measures reading on pages rendered by Chromium, and prints the table.
//   npm run eval:reading -- [--set DIR] [--pages DIR] [--every N] [--only screen|crop|mobile|pages|pairs]
//                           [--precision exact|fast] [--networks own|onnx] [--keep DIR] [--show]
// Sets that are not there are rendered first (Chromium and training/requirements.txt).
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Precision } from '../../src/engine/native.js';
import { openReader } from '../../src/engine/reader-engine.js';
import type { TextNetworks } from '../../src/engine/text-networks.js';
import { createImageContext, loadImage } from '../../src/image/load.js';
import { packageRoot } from '../../src/package-root.js';
import type { Bounds } from '../../src/reading/quad.js';
import { boundsOfRegion, partOf, textOf, wordsOf, type Reading } from '../../src/reading/reading.js';
import { textChanges } from '../../src/reading/text-changes.js';
import { TextReader } from '../../src/reading/text-reader.js';
import { KeptNetworks, OnnxNetworks } from '../../test/reading/onnx-networks.js';
import { ErrorRate, FoundBoxes, plain } from './measure.js';
import { pagesOf, rowsText, toldText, type TruePage } from './truth.js';

const { values } = parseArgs({
  options: {
    set: { type: 'string', default: join(packageRoot(), '.cache/reading/set') },
    pages: { type: 'string', default: join(packageRoot(), '.cache/reading/pages') },
    every: { type: 'string', default: '1' },
    networks: { type: 'string', default: 'own' },
    precision: { type: 'string' },
    keep: { type: 'string' },
    only: { type: 'string', multiple: true },
    show: { type: 'boolean', default: false },
  },
});
const every = Number(values.every);
const images = createImageContext({ folders: 'everywhere' });
const reader = new TextReader(openNetworks);

async function openNetworks(): Promise<TextNetworks> {
  const precision = values.precision as Precision | undefined;
  if (values.networks === 'onnx' && precision)
    throw new Error('onnxruntime has no --precision; leave it out.');
  const networks = values.networks === 'onnx' ? await OnnxNetworks.open(1) : await openReader({ precision });
  return values.keep ? new KeptNetworks(networks, values.keep) : networks;
}

function python(script: string, out: string): void {
  if (existsSync(out)) return;
  const own = join(packageRoot(), 'training/.venv/bin/python');
  execFileSync(existsSync(own) ? own : 'python3', [join(packageRoot(), script), '--out', out], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

async function read(picture: string): Promise<Reading> {
  return reader.read(await loadImage(picture, images));
}

interface Score {
  text: ErrorRate;
  /** Line by line, whatever the order. */
  lines: ErrorRate;
  /** The same without spaces. */
  letters: ErrorRate;
  boxes: FoundBoxes;
}

async function score(pages: TruePage[], truth = rowsText): Promise<Score> {
  const total: Score = {
    text: new ErrorRate(),
    lines: new ErrorRate(),
    letters: new ErrorRate(),
    boxes: new FoundBoxes(),
  };
  for (const page of pages) {
    const reading = without(await read(page.picture), page.ignored);
    const wrong = total.text.add(truth(page.lines), textOf(reading));
    if (values.show && wrong > 0) console.error(`${page.name}: ${wrong} errors in reading order`);
    for (const line of page.lines) {
      const said = wordsIn(reading, line.bounds);
      const errors = total.lines.add(line.text, said);
      total.letters.add(line.text.replace(/\s/g, ''), said.replace(/\s/g, ''));
      const boxes = reading.lines.map(({ box }) => boundsOfRegion(box));
      const covered = total.boxes.add(line.bounds, boxes);
      if (values.show && (errors > 0 || covered < 0.5))
        console.error(`${page.name} ${covered.toFixed(2)}\n  ${line.text}\n  ${said}`);
    }
  }
  return total;
}

/** A reading without the words that stand where the truth says nothing. */
function without(reading: Reading, ignored: readonly Bounds[]): Reading {
  const inside = ({ left, right, top, bottom }: Bounds) =>
    ignored.some(
      (area) =>
        (left + right) / 2 > area.left &&
        (left + right) / 2 < area.right &&
        (top + bottom) / 2 > area.top &&
        (top + bottom) / 2 < area.bottom,
    );
  if (ignored.length === 0) return reading;
  const lines = reading.lines.map((line) => {
    const words = wordsOf(line).filter(({ bounds }) => !inside(bounds));
    const kept = words.flatMap(({ characters }) => characters);
    if (kept.length === line.characters.length) return line;
    if (kept.length === 0) return { ...line, text: '' };
    const [from, to] = [kept[0]!.from, kept.at(-1)!.to];
    const { left, right } = partOf(line, from, to);
    const box = { ...line.box, x: Math.round(left), width: Math.round(right - left) };
    const stretch = (at: number) => (at - from) / (to - from || 1);
    const characters = kept.map((one) => ({ ...one, from: stretch(one.from), to: stretch(one.to) }));
    return { ...line, text: words.map(({ text }) => text).join(' '), box, characters };
  });
  const rows = reading.rows.map((row) => row.filter((at) => lines[at]!.text !== ''));
  return { ...reading, lines, rows: rows.filter((row) => row.length > 0) };
}

/** The words whose middles lie in a box, from left to right. */
function wordsIn({ lines }: Reading, { left, top, right, bottom }: Bounds): string {
  const words = lines.filter(({ text }) => text !== '').flatMap((line) => wordsOf(line));
  return words
    .filter(({ bounds }) => {
      const [x, y] = [(bounds.left + bounds.right) / 2, (bounds.top + bounds.bottom) / 2];
      return x > left - 2 && x < right + 2 && y > top && y < bottom;
    })
    .sort((a, b) => a.bounds.left - b.bounds.left)
    .map(({ text }) => text)
    .join(' ');
}

interface Edit {
  form: 'text' | 'mark';
  old: string;
  now: string;
}

/** Edits of text that are named exactly; and changes that nobody made, for each pair. */
async function pairs(folder: string): Promise<{ named: number; of: number; wrong: number; pairs: number }> {
  const made = JSON.parse(readFileSync(join(folder, 'edits.json'), 'utf8')) as Record<string, Edit | null>;
  const total = { named: 0, of: 0, wrong: 0, pairs: 0 };
  for (const [name, edit] of Object.entries(made)) {
    const [a, b] = [await read(join(folder, `${name}-a.png`)), await read(join(folder, `${name}-b.png`))];
    const changes = textChanges(a, b);
    const isIt = (change: { old: string; new: string }) =>
      edit?.form === 'text' && plain(change.old) === plain(edit.old) && plain(change.new) === plain(edit.now);
    if (edit?.form === 'text') total.of++;
    if (changes.some(isIt)) total.named++;
    total.wrong += changes.filter((change) => !isIt(change)).length;
    total.pairs++;
    if (values.show && (changes.length !== (edit?.form === 'text' ? 1 : 0) || !changes.every(isIt)))
      console.error(name, JSON.stringify(edit), JSON.stringify(changes));
  }
  return total;
}

const percent = (value: number) => `${(100 * value).toFixed(2)} %`;
const rows: string[] = [];
function say(name: string, { text, lines, letters, boxes }: Score): void {
  rows.push(
    `| ${name} | ${percent(text.value)} | ${percent(lines.value)} | ${percent(letters.value)} | ${percent(boxes.value)} | ${boxes.total} |`,
  );
  console.error(rows.at(-1));
}

const wanted = (name: string) => !values.only || values.only.includes(name);
python('training/chromium/build.py', values.set);
python('bench/reading/documentation.py', values.pages);
for (const [prefix, name] of [
  ['screen', 'screens 1280×800'],
  ['crop', 'crops 448×256'],
  ['mobile', 'mobile 390×844'],
] as const)
  if (wanted(prefix)) say(name, await score(pagesOf(values.set, prefix, every)));
if (wanted('pages')) say('pages of documentation', await score(pagesOf(values.pages, '', every), toldText));
console.log('| | error in reading order | line by line | without spaces | boxes, IoU ≥ 0.5 | lines |');
console.log('|---|---|---|---|---|---|');
for (const row of rows) console.log(row);
if (wanted('pairs')) {
  const { named, of, wrong, pairs: count } = await pairs(values.set);
  console.log(
    `\nEdits of text named exactly: ${percent(named / of)} of ${of}; false ones a pair: ${(wrong / count).toFixed(2)}`,
  );
}
await reader.close();
