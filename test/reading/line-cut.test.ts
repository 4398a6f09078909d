// Crops that the recogniser reads, from boxes of the detector.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cutLines } from '../../src/engine/text-lines.js';
import { resize } from '../../src/image/resize.js';
import type { RgbImage } from '../../src/image/rgb-image.js';
import { toShared } from '../../src/workers/shared-bytes.js';
import { quadOf } from '../../src/reading/quad.js';

function noise(width: number, height: number): RgbImage {
  let seed = 1;
  const next = () => (seed = (seed * 1103515245 + 12345) % 2147483648) >> 16;
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, next) };
}

/** A box that need not be level is taken as it is. */
const whole = ({ width, height }: RgbImage) => ({
  quad: quadOf({ left: 0, top: 0, right: width, bottom: height }),
  level: false,
});

function padded({ width, height, data }: RgbImage, columns: number): Uint8Array {
  const at = (x: number, y: number) => (y * width + Math.min(x, width - 1)) * 3;
  return Uint8Array.from({ length: columns * height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return data[at(pixel % columns, Math.floor(pixel / columns)) + (i % 3)]!;
  });
}

describe('crops of lines', () => {
  for (const [width, height] of [
    [200, 48],
    [333, 31],
    [64, 5],
    [97, 49],
    [500, 127],
    [7, 9],
  ] as const)
    test(`${width} × ${height} is scaled as every picture is, and its last column repeated`, async () => {
      const line = noise(width, height);
      const [[cut]] = (await cutLines(line, [whole(line)])) as [[Awaited<ReturnType<typeof cutLines>>[0][0]]];
      const scaled = resize(line, Math.round((width * 48) / height), 48, 'bicubic');
      const columns = Math.max(48, Math.ceil(scaled.width / 8) * 8);
      assert.deepEqual(cut.view!.crop, { width: columns, height: 48, data: padded(scaled, columns) });
      assert.deepEqual([cut.view!.ink.width, cut.view!.ink.height], [width, height]);
    });

  test('a box that stands upright is looked at upwards, downwards and, for one character, as it is', async () => {
    const picture = { width: 40, height: 120, data: new Uint8Array(40 * 120 * 3).fill(255) };
    for (let y = 30; y < 90; y++) picture.data.fill(0, (y * 40 + 15) * 3, (y * 40 + 25) * 3);
    const upwards = [
      { x: 10, y: 100 },
      { x: 10, y: 20 },
      { x: 30, y: 20 },
      { x: 30, y: 100 },
    ];
    const [ways] = await cutLines(picture, [{ quad: upwards, level: false }]);
    assert.deepEqual(
      ways!.map(({ view, placement: { along } }) => [view!.ink.width > view!.ink.height, along.x, along.y]),
      [
        [true, 0, -1],
        [true, 0, 1],
        [false, 1, 0],
      ],
    );
  });

  test('pixels in shared memory are read where they lie', async () => {
    const line = noise(100, 20);
    const shared = { ...line, data: toShared(line.data) };
    assert.deepEqual(await cutLines(shared, [whole(line)]), await cutLines(line, [whole(line)]));
  });

  test('what is no picture or no box is refused', () => {
    const line = noise(10, 10);
    const { quad } = whole(line);
    const expected = (message: string) => new TypeError(message);
    assert.throws(
      () => cutLines({ ...line, width: 11 }, []),
      expected('Expected 330 elements for picture.data but received 300'),
    );
    assert.throws(
      () => cutLines(line, [{ quad: [{ x: NaN, y: 0 }, ...quad.slice(1)], level: true }]),
      expected('Expected a place in pixels for boxes[0].quad[0].x but received NaN'),
    );
  });
});
