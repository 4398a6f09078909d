import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Placed } from '../../src/reading/placed.js';
import { readingOrder } from '../../src/reading/reading-order.js';

const at = (
  left: number,
  top: number,
  width: number,
  length = Math.round(width / 7),
  height = 20,
): Placed => ({
  bounds: { left, top, right: left + width, bottom: top + height },
  text: 'words '.repeat(length / 6).padEnd(length, 'x'),
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

  test('entries of a sidebar that run into the gutter, and beyond it, leave it a sidebar', () => {
    const side = [0, 1, 2, 3, 4, 5].map((row) => at(0, row * 31 + 9, row === 3 ? 240 : 90, 8));
    const text = [0, 1, 2, 3, 4, 5, 6, 7].map((row) => at(200, row * 24, 500, 70));
    const order = readingOrder([...side, ...text]).flat();
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  });

  test('a heading over both columns parts what is above it from what is below', () => {
    const block = (top: number) =>
      [0, 1, 2, 3].flatMap((row) => [at(0, top + row * 24, 300 - row), at(340, top + row * 24, 300 - row)]);
    const order = readingOrder([...block(0), at(0, 130, 600), ...block(190)]).flat();
    assert.deepEqual(order, [0, 2, 4, 6, 1, 3, 5, 7, 8, 9, 11, 13, 15, 10, 12, 14, 16]);
  });

  test('a title over one column belongs to it', () => {
    const side = [0, 1, 2, 3].map((row) => at(0, 30 + row * 31 + 9, 90, 8));
    const text = [0, 1, 2, 3, 4].map((row) => at(200, 40 + row * 24, 500, 70));
    const order = readingOrder([at(200, 0, 300, 30, 30), ...side, ...text]).flat();
    assert.deepEqual(order, [1, 2, 3, 4, 0, 5, 6, 7, 8, 9]);
  });

  test('labels at both ends of a bar are no columns with what is below one of them', () => {
    const bar = [at(0, 24, 40), at(300, 0, 80), at(500, 0, 80), at(300, 24, 200)];
    const below = [at(0, 80, 60), at(0, 124, 250), at(0, 170, 90)];
    assert.deepEqual(readingOrder([...bar, ...below]).flat(), [1, 2, 0, 3, 4, 5, 6]);
  });

  test('level lines of one row go from left to right, whatever came first', () => {
    assert.deepEqual(readingOrder([at(200, 3, 50), at(0, 0, 50), at(0, 40, 50)]), [[1, 0], [2]]);
  });

  test('terms above what they mean are no column beside it', () => {
    const entries = [0, 1, 2, 3].flatMap((row) => [at(0, row * 80, 20, 2), at(60, row * 80 + 26, 500)]);
    assert.deepEqual(
      readingOrder(entries).flat(),
      entries.map((_, member) => member),
    );
  });

  test('cells of several lines are read one after the other, at the top of their row or at its middle', () => {
    const row = (top: number) => [
      at(0, top + 12, 90, 12),
      at(200, top, 300, 40),
      at(200, top + 24, 200, 30),
      at(600, top, 120, 16),
      at(600, top + 24, 90, 12),
    ];
    const lines = [0, 70, 140].flatMap(row);
    assert.deepEqual(
      readingOrder(lines).flat(),
      lines.map((_, member) => member),
    );
  });

  test('rows of a table that has no white between them stay rows', () => {
    const lines = [0, 1, 2, 3, 4].flatMap((row) => [
      { ...at(0, row * 21, 230), text: 'pg_catalog | spanish_stem' },
      { ...at(300, row * 21, 350), text: '| snowball stemmer for spanish language' },
    ]);
    assert.deepEqual(
      readingOrder(lines),
      [0, 1, 2, 3, 4].map((row) => [row * 2, row * 2 + 1]),
    );
  });

  test('an index goes on in the next column, whatever stands level with it', () => {
    const words = ['ape', 'bee', 'cat', 'dog', 'elk', 'fox', 'gnu', 'hen', 'ibis', 'jay', 'kite', 'lark'];
    const index = (texts: string[]) =>
      texts.map((text, n) => ({ ...at(n < 6 ? 0 : 300, (n % 6) * 24, text.length * 9), text }));
    assert.deepEqual(
      readingOrder(index(words)).flat(),
      words.map((_, n) => n),
    );
    const mixed = [...words.slice(0, 6), 'sad', 'old', 'wet', 'big', 'new', 'dry'];
    assert.deepEqual(
      readingOrder(index(mixed)),
      [0, 1, 2, 3, 4, 5].map((row) => [row, row + 6]),
    );
  });

  test('a box let into running text is read before it', () => {
    const beside = [0, 1, 2, 3, 4, 5].map((row) => at(0, row * 26, 200));
    const box = [0, 1, 2, 3].map((row) => at(300, 10 + row * 26, 200));
    const below = [6, 7].map((row) => at(0, row * 26, 500));
    const order = readingOrder([...beside, ...box, ...below]).flat();
    assert.deepEqual(order, [6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 10, 11]);
  });

  test('what stands across the gutter below a sidebar ends it', () => {
    const side = [0, 1, 2, 3].map((row) => at(0, row * 31 + 9, 90, 8));
    const text = [0, 1, 2, 3, 4, 5, 6, 7].map((row) => at(200, row * 24, 500, 70));
    const foot = [at(0, 230, 50), at(80, 230, 400), at(600, 230, 90)];
    const order = readingOrder([...side, ...text, ...foot]).flat();
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
  });

  test('nothing', () => assert.deepEqual(readingOrder([]), []));
});
