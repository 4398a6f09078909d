import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findComponents } from '../../src/engine/text-lines.js';
import { boundsOf } from '../../src/reading/quad.js';
import { smallestRectangle, THRESHOLD, toTextBoxes, type TextBox } from '../../src/reading/text-boxes.js';
import { mergeTiles, planTiles, toDetectorSides } from '../../src/reading/tiles.js';

/** A map of zeros with values where `inside` says so. */
function map(width: number, height: number, inside: (x: number, y: number) => number): Float32Array {
  return Float32Array.from({ length: width * height }, (_, at) => inside(at % width, Math.floor(at / width)));
}

describe('components', () => {
  test('pixels that touch at a corner are one, others are not', async () => {
    const found = await findComponents(
      map(8, 4, (x, y) => ((x === 1 && y === 1) || (x === 2 && y === 2) || x === 6 ? 0.8 : 0)),
      8,
      4,
      0.3,
    );
    assert.deepEqual(
      found.map(({ hull }) => boundsOf(hull)),
      [
        { left: 6, top: 0, right: 7, bottom: 4 },
        { left: 1, top: 1, right: 3, bottom: 3 },
      ],
    );
    assert.equal(found[1]!.hull.length, 6);
    assert.ok(Math.abs(found[1]!.score - 0.8) < 1e-6);
  });

  test('a map of another size is refused', async () => {
    await assert.rejects(
      findComponents(new Float32Array(12), 4, 4, 0.3),
      new TypeError('Expected 16 elements for map but received 12'),
    );
  });

  test('arms that meet further down are one', async () => {
    const u = map(7, 5, (x, y) => (x === 1 || x === 5 || y === 4 ? 0.9 : 0));
    assert.equal((await findComponents(u, 7, 5, 0.3)).length, 1);
  });
});

async function findTextBoxes(seen: Float32Array, width: number, height: number): Promise<TextBox[]> {
  return toTextBoxes(await findComponents(seen, width, height, THRESHOLD));
}

describe('text boxes', () => {
  test('a level line is grown by area · 1.6 / perimeter', async () => {
    const [box, ...others] = await findTextBoxes(
      map(128, 64, (x, y) => (x >= 20 && x < 100 && y >= 30 && y < 38 ? 0.9 : 0)),
      128,
      64,
    );
    assert.equal(others.length, 0);
    const by = (80 * 8 * 1.6) / (2 * 88);
    const { left, top, right, bottom } = boundsOf(box!.quad);
    assert.ok(box!.level);
    for (const [is, wanted] of [
      [left, 20 - by],
      [top, 30 - by],
      [right, 100 + by],
      [bottom, 38 + by],
    ] as const)
      assert.ok(Math.abs(is - wanted) < 1e-6, `${is} ${wanted}`);
  });

  test('a line that rises gets corners in reading direction', async () => {
    const rising = map(128, 128, (x, y) =>
      x >= 20 && x < 100 && Math.abs(y - 90 + (x - 20) * 0.5) < 5 ? 0.9 : 0,
    );
    const [box] = await findTextBoxes(rising, 128, 128);
    assert.equal(box!.level, false);
    const [a, b] = box!.quad;
    assert.ok(Math.abs(Math.atan2(b.y - a.y, b.x - a.x) + Math.atan(0.5)) < 0.1);
  });

  test('what is faint is no line', async () => {
    assert.equal(
      (
        await findTextBoxes(
          map(64, 64, (x, y) => (y > 20 && y < 30 && x > 5 ? 0.4 : 0)),
          64,
          64,
        )
      ).length,
      0,
    );
  });

  test('the smallest rectangle around a turned square has its sides', () => {
    const { width, height } = smallestRectangle([
      { x: 5, y: 0 },
      { x: 10, y: 5 },
      { x: 5, y: 10 },
      { x: 0, y: 5 },
    ]);
    assert.ok(Math.abs(width - Math.sqrt(50)) < 1e-6 && Math.abs(height - Math.sqrt(50)) < 1e-6);
  });
});

describe('tiles', () => {
  for (const [width, height, scale] of [
    [1280, 800, 1],
    [1280, 12000, 1],
    [5000, 1700, 1],
    [1601, 10, 1],
    [900, 900, 2],
  ] as const)
    test(`cover ${width} × ${height} at ${scale}, each within what the detector is given`, () => {
      const tiles = planTiles({ width, height }, scale);
      const covered = new Set<number>();
      for (const { x, y, width: wide, height: high } of tiles) {
        assert.ok(x >= 0 && y >= 0 && x + wide <= width && y + high <= height);
        assert.ok(wide * scale <= 1600 && high * scale <= 1600);
        for (let row = y; row < y + high; row += 5)
          for (let column = x; column < x + wide; column += 5) covered.add(row * 1e5 + column);
      }
      assert.ok(covered.size > 0);
      const right = Math.max(...tiles.map(({ x, width: wide }) => x + wide));
      const bottom = Math.max(...tiles.map(({ y, height: high }) => y + high));
      assert.deepEqual([right, bottom], [width, height]);
    });

  const level = (left: number, top: number, right: number, bottom: number) => ({
    quad: [
      { x: left, y: top },
      { x: right, y: top },
      { x: right, y: bottom },
      { x: left, y: bottom },
    ] as const,
    level: true,
    score: 0.9,
  });

  test('a line in the part that two tiles share is found once, one that is cut off in the other tile', () => {
    const size = { width: 100, height: 300 };
    const upper = { x: 0, y: 0, width: 100, height: 200 };
    const lower = { x: 0, y: 100, width: 100, height: 200 };
    const boxes = mergeTiles(
      [
        { tile: upper, boxes: [level(10, 140, 60, 160), level(10, 190, 60, 200)] },
        { tile: lower, boxes: [level(10, 141, 60, 161), level(10, 190, 60, 212), level(5, 100, 60, 108)] },
      ],
      size,
    );
    assert.deepEqual(
      boxes.map(({ quad }) => boundsOf(quad)),
      [
        { left: 10, top: 140, right: 60, bottom: 161 },
        { left: 10, top: 190, right: 60, bottom: 212 },
      ],
    );
  });

  test('a line longer than the shared part is put together', () => {
    const size = { width: 300, height: 50 };
    const boxes = mergeTiles(
      [
        { tile: { x: 0, y: 0, width: 200, height: 50 }, boxes: [level(10, 10, 200, 30)] },
        { tile: { x: 100, y: 0, width: 200, height: 50 }, boxes: [level(100, 11, 290, 31)] },
      ],
      size,
    );
    assert.deepEqual(
      boxes.map(({ quad }) => boundsOf(quad)),
      [{ left: 10, top: 10, right: 290, bottom: 31 }],
    );
  });

  test('a line that one tile found whole and another in parts is one, whichever came first', () => {
    const size = { width: 400, height: 300 };
    const upper = { x: 0, y: 0, width: 400, height: 200 };
    const lower = { x: 0, y: 100, width: 400, height: 200 };
    const parts = [level(10, 140, 60, 160), level(70, 141, 200, 161), level(210, 140, 290, 159)];
    const other = level(310, 140, 390, 160);
    const whole = level(12, 139, 292, 160);
    const next = level(10, 165, 290, 185);
    for (const [first, second] of [
      [parts, [whole]],
      [[whole], parts],
    ] as const) {
      const boxes = mergeTiles(
        [
          { tile: upper, boxes: [...first, other, next] },
          { tile: lower, boxes: [...second, other, next] },
        ],
        size,
      );
      assert.deepEqual(
        boxes.map(({ quad }) => boundsOf(quad)),
        [
          { left: 10, top: 139, right: 292, bottom: 161 },
          { left: 310, top: 140, right: 390, bottom: 160 },
          { left: 10, top: 165, right: 290, bottom: 185 },
        ],
      );
    }
  });

  test('lines below each other that one box of another tile meets stay two', () => {
    const boxes = mergeTiles(
      [
        {
          tile: { x: 0, y: 0, width: 200, height: 200 },
          boxes: [level(10, 120, 90, 140), level(10, 142, 90, 162)],
        },
        { tile: { x: 0, y: 100, width: 200, height: 200 }, boxes: [level(10, 121, 90, 161)] },
      ],
      { width: 200, height: 300 },
    );
    assert.equal(boxes.length, 2);
  });

  test('parts that overlap from tile to tile are one line', () => {
    const tile = (x: number) => ({ x, y: 0, width: 200, height: 50 });
    const boxes = mergeTiles(
      [
        { tile: tile(0), boxes: [level(10, 10, 120, 30)] },
        { tile: tile(200), boxes: [level(210, 10, 390, 30)] },
        { tile: tile(100), boxes: [level(105, 11, 220, 31)] },
      ],
      { width: 400, height: 50 },
    );
    assert.deepEqual(
      boxes.map(({ quad }) => boundsOf(quad)),
      [{ left: 10, top: 10, right: 390, bottom: 31 }],
    );
  });

  test('sides become multiples of 32 by repeating the edge', () => {
    const data = Uint8Array.from({ length: 33 * 2 * 3 }, (_, at) => at % 251);
    const grown = toDetectorSides({ width: 33, height: 2, data });
    assert.deepEqual([grown.width, grown.height], [64, 32]);
    assert.deepEqual([...grown.data.subarray(63 * 3, 64 * 3)], [...data.subarray(32 * 3, 33 * 3)]);
    assert.deepEqual(
      [...grown.data.subarray(31 * 64 * 3, 31 * 64 * 3 + 6)],
      [...data.subarray(33 * 3, 33 * 3 + 6)],
    );
  });
});
