import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RgbImage } from '../../src/image/rgb-image.js';
import { cutLines, type CutLine } from '../../src/engine/text-lines.js';
import { INK } from '../../src/reading/ink.js';
import { quadOf } from '../../src/reading/quad.js';

type Box = readonly [left: number, top: number, right: number, bottom: number];

/** Black boxes on white. */
function picture(width: number, height: number, boxes: readonly Box[]): RgbImage {
  const data = new Uint8Array(width * height * 3).fill(255);
  for (const [left, top, right, bottom] of boxes)
    for (let y = top; y < bottom; y++) data.fill(0, (y * width + left) * 3, (y * width + right) * 3);
  return { width, height, data };
}

function frame([left, top, right, bottom]: Box): Box[] {
  return [
    [left, top, right, top + 1],
    [left, bottom - 1, right, bottom],
    [left, top, left + 1, bottom],
    [right - 1, top, right, bottom],
  ];
}

/** Letters of six pixels. */
function word(left: number, letters: number): Box[] {
  return Array.from({ length: letters }, (_, at) => [left + at * 8, 10, left + at * 8 + 6, 21] as const);
}

/** A level box around the whole picture. */
async function cut(boxes: readonly Box[]): Promise<CutLine[]> {
  const quad = quadOf({ left: 0, top: 0, right: 160, bottom: 30 });
  return (await cutLines(picture(160, 30, boxes), [{ quad, level: true }])).flat();
}

describe('frames around text', () => {
  test('cells of a table are cut apart, without their frames', async () => {
    const cells = [...frame([2, 3, 70, 28]), ...frame([72, 3, 158, 28]), ...word(6, 4), ...word(76, 5)];
    const places = (await cut(cells)).map(({ view, placement: { origin } }) => [
      origin.x,
      origin.x + view!.ink.width,
    ]);
    assert.deepEqual(places, [
      [3, 41],
      [73, 119],
    ]);
  });

  test('a framed key stays in its line', async () => {
    const key = [...frame([2, 3, 50, 28]), ...word(10, 4), ...word(60, 3)];
    assert.equal((await cut(key)).length, 1);
  });

  test('a bar among letters is no side of a frame', async () => {
    const [line] = await cut([...word(10, 4), [46, 6, 48, 24], ...word(54, 4)]);
    const { ink } = line!.view!;
    assert.ok(ink.contrast[15 * ink.width + 46 - line!.placement.origin.x]! >= INK);
  });
});
