// Pictures of which something is unusual, read by the real networks: transparent, inverted, tall, huge letters, sides of
// one pixel and of 32,000.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { decode } from '../../src/image/decode.js';
import { pixelIdentity } from '../../src/image/key.js';
import { resize } from '../../src/image/resize.js';
import type { RgbImage } from '../../src/image/rgb-image.js';
import { openReader } from '../../src/engine/reader-engine.js';
import { textOf, type Reading } from '../../src/reading/reading.js';
import { TextReader } from '../../src/reading/text-reader.js';

const CASES = new URL('../image/fixtures/cases/', import.meta.url);
const WORDS = 'Total 4821 items';

let reader: TextReader;
before(() => {
  reader = new TextReader(() => openReader({ threads: 2 }));
});
after(() => reader.close());

function picture(name: string): Promise<RgbImage> {
  return decode(readFileSync(new URL(name, CASES)), name);
}

function read(image: RgbImage): Promise<Reading> {
  return reader.read({ ...pixelIdentity(image), pixels: async () => image });
}

/** `image` on white at (x, y). */
function placed(image: RgbImage, x: number, y: number, width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3).fill(255);
  for (let row = 0; row < image.height; row++) {
    const line = image.data.subarray(3 * row * image.width, 3 * (row + 1) * image.width);
    data.set(line, 3 * ((y + row) * width + x));
  }
  return { width, height, data };
}

function white(width: number, height: number): RgbImage {
  return { width, height, data: new Uint8Array(width * height * 3).fill(255) };
}

describe('transparent pictures are read on what shows them', () => {
  for (const name of [
    'black_on_transparent',
    'black_on_transparent_la',
    'white_on_transparent',
    'palette_trns',
  ])
    test(name, async () => assert.equal(textOf(await read(await picture(`transparent/${name}.png`))), WORDS));
});

test('light on dark is read like dark on light', async () => {
  const image = await picture('transparent/reference_on_white.png');
  const inverted = { ...image, data: image.data.map((value) => 255 - value) };
  assert.equal(textOf(await read(inverted)), WORDS);
});

test('letters taller than 160 pixels are read', async () => {
  const image = await picture('transparent/reference_on_white.png');
  const large = resize(image, image.width * 6, image.height * 6, 'bicubic');
  const { lines } = await read(large);
  assert.equal(lines.map(({ text }) => text).join(' '), WORDS);
  assert.ok(
    lines.every(({ box }) => box.height > 160),
    JSON.stringify(lines.map(({ box }) => box)),
  );
});

test('a tall picture is read whole, in its rows', async () => {
  const { lines, rows } = await read(await picture('tall/tall_2400.png'));
  const found = rows.map((row) => row.map((at) => lines[at]!.text).join(' '));
  const number = (value: number, digits: number) => String(value).padStart(digits, '0');
  const drawn = Array.from(
    { length: 59 },
    (_, row) => `Row ${number(row, 3)} value ${number((row * 7919) % 10_000, 4)} ok`,
  );
  assert.deepEqual(found, drawn);
});

for (const [width, height] of [
  [1, 1],
  [1, 500],
  [500, 1],
  [2, 3],
  [1, 32_000],
  [32_000, 1],
] as const) {
  test(`${width} × ${height} holds no text`, async () =>
    assert.deepEqual((await read(white(width, height))).lines, []));
}

test('text at the end of 32,000 rows is read where it stands', async () => {
  const small = await picture('transparent/reference_on_white.png');
  const half = resize(small, small.width / 2, small.height / 2, 'bicubic');
  const { lines } = await read(placed(half, 0, 31_900, half.width, 32_000));
  assert.deepEqual(
    lines.map(({ text }) => text),
    [WORDS],
  );
  const { y, height } = lines[0]!.box;
  assert.ok(y >= 31_900 && y + height <= 31_900 + half.height);
});
