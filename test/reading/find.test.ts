import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findText } from '../../src/reading/find.js';
import { wordsOf, textOf, type Reading } from '../../src/reading/reading.js';
import { textChanges } from '../../src/reading/text-changes.js';
import { line } from '../mcp/scripted-reader.js';

function reading(...rows: ReturnType<typeof line>[][]): Reading {
  let next = 0;
  return { width: 800, height: 600, lines: rows.flat(), rows: rows.map((row) => row.map(() => next++)) };
}

describe('find', () => {
  const page = reading(
    [line('Cancel', 10, 10, 60, 20), line('Save changes', 200, 10, 120, 20)],
    [line('You can save your work here.', 10, 50, 280, 20)],
    [line('INF0 saved', 10, 90, 100, 20)],
  );

  test('case and spaces are forgiven, and the place is that of the words', () => {
    const [first] = findText(page, 'SAVE  Changes');
    assert.equal(first!.text, 'Save changes');
    assert.equal(first!.score, 1);
    assert.deepEqual(first!.bounds, { left: 200, top: 10, right: 320, bottom: 30 });
  });

  test('a part of a line has its own place', () => {
    const [, second] = findText(page, 'save');
    assert.equal(second!.text, 'save');
    assert.deepEqual(second!.bounds, { left: 90, top: 50, right: 130, bottom: 70 });
  });

  test('every place, best first, then in reading order', () => {
    assert.deepEqual(
      findText(page, 'save').map(({ text }) => text),
      ['Save', 'save', 'save'],
    );
  });

  test('misread characters cost little, wrong ones more, and too many are no match', () => {
    const [zero] = findText(page, 'INFO');
    assert.equal(zero!.text, 'INF0');
    assert.ok(zero!.score > 0.9 && zero!.score < 1);
    const [typo] = findText(page, 'Sabe chanqes');
    assert.equal(typo!.text, 'Save changes');
    assert.ok(typo!.score < zero!.score);
    assert.deepEqual(findText(page, 'Delete'), []);
  });

  test('text may go on in the piece beside it', () => {
    const [hit] = findText(page, 'cancel save');
    assert.equal(hit!.text, 'Cancel Save');
    assert.deepEqual(hit!.bounds, { left: 10, top: 10, right: 240, bottom: 30 });
  });

  test('nothing to look for finds nothing', () => assert.deepEqual(findText(page, '  '), []));

  test('words have places', () => {
    assert.deepEqual(
      wordsOf(page.lines[1]!).map(({ text, bounds }) => [text, bounds.left, bounds.right]),
      [
        ['Save', 200, 240],
        ['changes', 250, 320],
      ],
    );
    assert.equal(textOf(page).split('\n')[0], 'Cancel Save changes');
  });
});

describe('text changes', () => {
  const before = reading(
    [line('Title', 10, 10, 50, 20)],
    [line('Old text', 10, 50, 80, 20)],
    [line('Foot', 10, 90, 40, 20)],
  );

  test('a line that says something else', () => {
    const after = reading(
      [line('Title', 10, 10, 50, 20)],
      [line('New words', 10, 50, 90, 20)],
      [line('Foot', 10, 90, 40, 20)],
    );
    assert.deepEqual(textChanges(before, after), [
      {
        old: 'Old text',
        new: 'New words',
        before: { x: 10, y: 50, width: 80, height: 20 },
        after: { x: 10, y: 50, width: 90, height: 20 },
      },
    ]);
  });

  test('moved text is not changed text', () => {
    const after = reading(
      [line('Title', 300, 10, 50, 20)],
      [line('Foot', 10, 250, 40, 20)],
      [line('Oldtext', 10, 300, 80, 20)],
    );
    assert.deepEqual(textChanges(before, after), []);
  });

  test('added and removed', () => {
    const after = reading(
      [line('Title', 10, 10, 50, 20)],
      [line('Foot', 10, 90, 40, 20)],
      [line('More', 10, 300, 40, 20)],
    );
    assert.deepEqual(
      textChanges(before, after).map(({ old, new: now }) => [old, now]),
      [
        ['Old text', ''],
        ['', 'More'],
      ],
    );
  });

  test('one of two equal lines that changed is named', () => {
    const two = reading([line('Open', 10, 10, 40, 20)], [line('Open', 10, 50, 40, 20)]);
    const after = reading([line('Open', 10, 10, 40, 20)], [line('Shut', 10, 50, 40, 20)]);
    assert.deepEqual(textChanges(two, after)[0]!.before, { x: 10, y: 50, width: 40, height: 20 });
  });

  test('a text of two lines that became one is one change', () => {
    const two = reading(
      [line('A long text that', 10, 10, 160, 20)],
      [line('needs two lines', 10, 34, 150, 20)],
    );
    const after = reading([line('Short', 10, 10, 50, 20)]);
    assert.deepEqual(
      textChanges(two, after).map(({ old, new: now }) => [old, now]),
      [['A long text that needs two lines', 'Short']],
    );
  });

  test('at twice the size nothing changed', () => {
    const twice = reading(
      ...before.lines.map(({ text, box: { x, y, width, height } }) => [
        line(text, 2 * x, 2 * y, 2 * width, 2 * height),
      ]),
    );
    assert.deepEqual(textChanges(before, twice, 2), []);
  });
});
