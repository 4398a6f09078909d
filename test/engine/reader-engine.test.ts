// The text networks on our engine against what onnxruntime recorded (test/goldens/text_networks.py), and what the engine
// promises beside: independence of crops, cancelling, refusals.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import sharp, { type Sharp } from 'sharp';
import { openReader } from '../../src/engine/reader-engine.js';
import { readConverted, writeConverted } from '../../src/models/readers/converted.js';
import { loadBundledReader } from '../../src/models/readers/load.js';
import type { RecognisedSteps, TextNetworks } from '../../src/engine/text-networks.js';
import type { RgbImage } from '../../src/image/rgb-image.js';
import { scratchFolder } from '../scratch-folder.js';

const FIXTURES = new URL('fixtures/reader/', import.meta.url);
const HEIGHT = 48;

interface Line {
  width: number;
  classes: number[];
  probabilities: number[];
  text: string;
}

const lines = JSON.parse(readFileSync(new URL('lines.json', FIXTURES), 'utf8')) as Line[];

async function raw(picture: Sharp): Promise<RgbImage> {
  const { data, info } = await picture.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

function readLine(index: number): Promise<RgbImage> {
  const area = { left: 0, top: index * HEIGHT, width: lines[index]!.width, height: HEIGHT };
  return raw(sharp(readFileSync(new URL('lines.png', FIXTURES))).extract(area));
}

const readPage = (): Promise<RgbImage> => raw(sharp(readFileSync(new URL('page.png', FIXTURES))));

function recordedMap(): number[] {
  const bytes = readFileSync(new URL('page.u16', FIXTURES));
  return Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i) / 65535);
}

function textOf({ classes }: RecognisedSteps, characters: string[]): string {
  return [...classes].map((c, i) => (c !== 0 && c !== classes[i - 1] ? characters[c] : '')).join('');
}

const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));

for (const [precision, limits] of [
  ['exact', { map: 1e-3, probability: 1e-3, others: 0 }],
  ['fast', { map: 0.1, probability: 1, others: 0.005 }],
] as const) {
  describe(`text networks, ${precision}`, () => {
    let reader: TextNetworks;
    let crops: RgbImage[];
    before(async () => {
      reader = await openReader({ precision });
      crops = await Promise.all(lines.map((_, i) => readLine(i)));
    });
    after(() => reader.close());

    it('finds text where onnxruntime does', async () => {
      const map = await reader.detect(await readPage());
      assert.ok(farthest(map, recordedMap()) < limits.map);
    });

    it('reads forty lines as onnxruntime does, step by step', async () => {
      const results = await reader.recognise(crops);
      let [steps, others] = [0, 0];
      for (const [i, line] of lines.entries()) {
        const { classes, probabilities } = results[i]!;
        steps += classes.length;
        others += line.classes.filter((best, s) => best !== classes[s]).length;
        if (precision !== 'exact') continue;
        assert.equal(textOf(results[i]!, reader.characters), line.text);
        assert.ok(farthest(probabilities, line.probabilities) < limits.probability, line.text);
      }
      assert.ok(others <= steps * limits.others, `${others} of ${steps} steps have another class`);
    });

    it('gives a crop the same bits alone, in any order and among any others', async () => {
      const together = await reader.recognise(crops);
      const backwards = (await reader.recognise([...crops].reverse())).reverse();
      const alone = (await reader.recognise([crops[7]!]))[0]!;
      assert.deepEqual(backwards, together);
      assert.deepEqual(alone, together[7]);
    });
  });
}

describe('a text reader', () => {
  let reader: TextNetworks;
  before(async () => {
    reader = await openReader({ threads: 1 });
  });
  after(() => reader.close());

  it('knows the alphabet: blank, characters, space', () => {
    assert.equal(reader.characters.length, 6625);
    assert.deepEqual([reader.characters[0], reader.characters.at(-1)], ['', ' ']);
    assert.match(reader.identity, /^[0-9a-f]{64}$/);
  });

  it('has another identity in another precision', async () => {
    const other = await openReader({ precision: 'fast', threads: 1 });
    assert.notEqual(other.identity, reader.identity);
    await other.close();
  });

  it('is what the build makes of it, to the byte', async () => {
    const model = await loadBundledReader();
    const folder = scratchFolder('converted-reader');
    assert.equal(await readConverted(folder), undefined);
    await writeConverted(model, folder);
    const converted = (await readConverted(folder))!;
    for (const part of [converted.detector, converted.recogniser])
      part.weights = new Uint8Array(readFileSync(part.weights as string));
    assert.deepEqual(converted, model);
  });

  it('gives the same bits on any number of threads', async () => {
    const two = await openReader({ threads: 2 });
    const page = await readPage();
    assert.deepEqual(await two.detect(page), await reader.detect(page));
    await two.close();
  });

  it('ends a run whose signal is given, and goes on with the next', async () => {
    const control = new AbortController();
    const large = { width: 1280, height: 1280, data: new Uint8Array(1280 * 1280 * 3) };
    const run = reader.detect(large, control.signal);
    setTimeout(() => control.abort(), 20);
    await assert.rejects(run, { name: 'AbortError' });
    await assert.rejects(reader.recognise([await readLine(0)], AbortSignal.abort()), { name: 'AbortError' });
    assert.equal((await reader.detect(await readPage())).length, recordedMap().length);
  });

  it('keeps the event loop free', async () => {
    const page = { width: 960, height: 960, data: new Uint8Array(960 * 960 * 3) };
    let [late, last] = [0, performance.now()];
    const timer = setInterval(() => {
      late = Math.max(late, performance.now() - last - 5);
      last = performance.now();
    }, 5);
    const busy = performance.eventLoopUtilization();
    const start = performance.now();
    await reader.detect(page);
    clearInterval(timer);
    const { active } = performance.eventLoopUtilization(busy);
    assert.ok(active < (performance.now() - start) / 2, `${active} ms active, ${late} ms late`);
  });

  it('refuses what it cannot read in one piece', async () => {
    const small = await openReader({ threads: 1, scratchBytes: 1 << 20 });
    await assert.rejects(small.detect(await readPage()), { code: 'OUT_OF_MEMORY' });
    await small.close();
  });

  it('refuses images of other sizes', async () => {
    const image = (width: number, height: number): RgbImage => ({
      width,
      height,
      data: new Uint8Array(width * height * 3),
    });
    await assert.rejects(reader.detect(image(40, 32)), RangeError);
    await assert.rejects(reader.detect({ ...image(32, 32), data: new Uint8Array(5) }), RangeError);
    await assert.rejects(reader.recognise([image(40, 32)]), RangeError);
    await assert.rejects(reader.recognise([image(41, 48)]), RangeError);
    await assert.rejects(reader.recognise([image(0, 48)]), RangeError);
    assert.deepEqual(await reader.recognise([]), []);
  });

  it('can be closed while it runs', async () => {
    const closing = await openReader({ threads: 1 });
    const run = closing.detect({ width: 640, height: 640, data: new Uint8Array(640 * 640 * 3) });
    await Promise.all([closing.close(), run.catch(() => undefined)]);
    await assert.rejects(closing.detect(await readPage()), { code: 'CLOSED' });
  });
});
