import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readingOrder, type Placed } from '../../src/reading/reading-order.js';

const at = (
  left: number,
  top: number,
  width: number,
  length = Math.round(width / 7),
  height = 20,
): Placed => ({
  bounds: { left, top, right: left + width, bottom: top + height },
  length,
});

describe('reading order', () => {
  test('rows of a table stay rows, however far apart its columns', () => {
    const rows = [0, 1, 2, 3].flatMap((row) => [
      at(0, row * 30, 80),
      at(300, row * 30 + 1, 60),
      at(600, row * 30, 60),
    ]);
    assert.deepEqual(
      readingOrder(rows),
      [0, 1, 2, 3].map((row) => [row * 3, row * 3 + 1, row * 3 + 2]),
    );
  });

  test('columns of running text are read one after the other, the heading above them first', () => {
    const left = [0, 1, 2, 3].map((row) => at(0, 60 + row * 24, 300 - row));
    const right = [0, 1, 2, 3].map((row) => at(340, 60 + row * 24, 300 - row));
    const order = readingOrder([at(0, 0, 640), ...left.flatMap((line, row) => [line, right[row]!])]);
    assert.deepEqual(order.flat(), [0, 1, 3, 5, 7, 2, 4, 6, 8]);
  });

  test('a sidebar whose lines are not level with the text is a column', () => {
    const side = [0, 1, 2, 3, 4].map((row) => at(0, row * 31 + 9, 90, 8));
    const text = [0, 1, 2, 3, 4, 5].map((row) => at(200, row * 24, 500, 70));
    const order = readingOrder([...side, ...text]).flat();
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('level lines of one row go from left to right, whatever came first', () => {
    assert.deepEqual(readingOrder([at(200, 3, 50), at(0, 0, 50), at(0, 40, 50)]), [[1, 0], [2]]);
  });

  test('nothing', () => assert.deepEqual(readingOrder([]), []));
});
