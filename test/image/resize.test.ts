import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resize, type ResizeFilter } from '../../src/image/resize.js';
import { noise, plain, readFixture, readPng } from './pictures.js';

interface ResizeCase {
  input: string;
  filter: ResizeFilter;
  width: number;
  height: number;
  output: string;
}

const cases = JSON.parse(readFixture('resize/resize.json').toString()) as ResizeCase[];

for (const input of new Set(cases.map((one) => one.input))) {
  test(`${input}: every recorded size and filter, bit for bit`, async () => {
    const image = await readPng(`resize/${input}`);
    for (const { filter, width, height, output } of cases.filter((one) => one.input === input)) {
      const wanted = await readPng(`resize/${output}`);
      assert.deepEqual(
        Buffer.from(resize(image, width, height, filter).data),
        Buffer.from(wanted.data),
        output,
      );
    }
  });
}

test('box, hamming and nearest as Pillow computes them', () => {
  // Pillow 12: Image.frombytes('RGB', (5, 1), …).resize((3, 1), filter) and to (8, 1).
  const image = {
    width: 5,
    height: 1,
    data: Uint8Array.from([0, 50, 100, 150, 250].flatMap((v) => [v, v, v])),
  };
  const grey = (width: number, filter: ResizeFilter) =>
    [...resize(image, width, 1, filter).data].filter((_, i) => i % 3 === 0);
  assert.deepEqual(grey(3, 'box'), [25, 100, 200]);
  assert.deepEqual(grey(3, 'hamming'), [19, 100, 212]);
  assert.deepEqual(grey(3, 'nearest'), [0, 100, 250]);
  assert.deepEqual(grey(8, 'box'), [0, 0, 50, 100, 100, 150, 250, 250]);
  assert.deepEqual(grey(8, 'hamming'), [0, 18, 50, 93, 107, 150, 214, 250]);
  assert.deepEqual(grey(8, 'nearest'), [0, 0, 50, 100, 100, 150, 250, 250]);
});

test('equal size returns the pixels; the input is never changed', () => {
  const image = noise(31, 17);
  const before = Buffer.from(image.data);
  assert.equal(resize(image, 31, 17, 'bicubic').data, image.data);
  resize(image, 63, 5, 'lanczos');
  assert.deepEqual(Buffer.from(image.data), before);
});

test('a plain image stays plain under every filter', () => {
  for (const filter of ['bicubic', 'bilinear', 'lanczos', 'nearest', 'box', 'hamming'] as const) {
    for (const [width, height] of [
      [1, 1],
      [7, 90],
      [200, 3],
    ] as const) {
      assert.ok(
        resize(plain(33, 32, [7, 7, 7]), width, height, filter).data.every((v) => v === 7),
        filter,
      );
    }
  }
});

test('sides that are not positive integers are misuse', () => {
  for (const side of [0, -1, 1.5, NaN, Infinity]) {
    assert.throws(() => resize(noise(2, 2), side, 2, 'box'), RangeError);
    assert.throws(() => resize(noise(2, 2), 2, side, 'nearest'), RangeError);
  }
});
