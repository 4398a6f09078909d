import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Placed } from '../../src/reading/placed.js';
import { withoutOverruns } from '../../src/reading/overruns.js';
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

  test('paragraphs that end beside a box let into text are read before it, the one that goes on below it after it', () => {
    const header = [at(300, -160, 150), at(300, -136, 150)];
    const first = [0, 1, 2].map((row) => at(0, row * 20, 280));
    const second = [0, 1, 2].map((row) => at(0, 80 + row * 20, 280));
    const box = [0, 1, 2, 3].map((row) => at(320, 10 + row * 24, 130, 15));
    const below = [at(0, 140, 450), at(0, 160, 450)];
    const order = readingOrder([...header, ...box, ...first, ...second, ...below]).flat();
    assert.deepEqual(order, [0, 1, 6, 7, 8, 2, 3, 4, 5, 9, 10, 11, 12, 13]);
  });

  const sideBar = (widths: number[]) => widths.map((width, row) => at(20, row * 17, width, 12, 17));
  const beside = (rows: number, left = 265) =>
    Array.from({ length: rows }, (_, row) => at(left + (row % 3 ? 30 : 0), 4 + row * 23, 700, 90, 21));

  test('entries of a side bar that run over the text beside it leave it a side bar, however many', () => {
    const side = sideBar([90, 270, 290, 80, 300, 350, 180, 320, 240, 250, 300, 90]);
    const order = readingOrder([...side, ...beside(10)]).flat();
    assert.deepEqual(
      order,
      order.map((_, member) => member),
    );
  });

  test('an entry and the text beside it that were found as one line part neither side bar nor text', () => {
    const side = sideBar([90, 270, 290, 80, 300, 900, 180, 900, 240, 900, 300, 90]);
    const text = beside(10).filter((_, row) => row < 3 || row > 6);
    const order = readingOrder([...side, ...text]).flat();
    assert.deepEqual(order, [0, 1, 2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 5, 7, 9, 15, 16, 17]);
  });

  test('text goes on below the end of a side bar that reaches further down than it does', () => {
    const side = [0, 1, 2, 3, 4, 5].map((row) => at(0, 9 + row * 31, 90, 8));
    const text = [0, 1, 2, 3, 4].map((row) => at(200, row * 24, 500, 70));
    const below = [at(80, 190, 600, 70), at(80, 214, 600, 70)];
    assert.deepEqual(
      readingOrder([...side, ...text, ...below]).flat(),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    );
  });

  test('cells that nearly fill their columns are no side bar', () => {
    const rows = [0, 1, 2, 3, 4].map((row) => [at(0, row * 24, 95 - row), at(100, row * 24, 300)]);
    assert.deepEqual(withoutOverruns(rows.flat()), rows.flat());
  });

  test('cells of several lines with little white between them are cells', () => {
    const row = (top: number) => [
      at(0, top + 18, 60, 8, 36),
      at(200, top, 130, 16, 36),
      at(200, top + 36, 120, 15, 36),
    ];
    const lines = [0, 84, 168, 252].flatMap(row);
    assert.deepEqual(
      readingOrder(lines).flat(),
      lines.map((_, member) => member),
    );
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
