// Which line is the content of which field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldValues } from '../../src/ask/field-values.js';

const line = (role: string, x: number, y: number, width = 60) => ({
  text: role,
  box: { x, y, width, height: 14 },
  mark: { role, states: [], lead: 5, margins: {} },
});

test('the content of a field stands below its name or beside it, and is that of the nearest', () => {
  const below = [line('field', 10, 10), line('value', 18, 34), line('field', 10, 60), line('value', 18, 84)];
  assert.deepEqual(
    [...fieldValues(below)],
    [
      [0, 1],
      [2, 3],
    ],
  );
  const beside = [line('field', 10, 10), line('value', 90, 12), line('field', 10, 34), line('value', 90, 36)];
  assert.deepEqual(
    [...fieldValues(beside)],
    [
      [0, 1],
      [2, 3],
    ],
  );
  const columns = [
    line('field', 10, 10),
    line('field', 300, 10),
    line('value', 18, 34),
    line('value', 308, 34),
  ];
  assert.deepEqual(
    [...fieldValues(columns)],
    [
      [0, 2],
      [1, 3],
    ],
  );
});

test('an empty field has none: what stands far below, above or left of a name is not its content', () => {
  assert.deepEqual([...fieldValues([line('field', 10, 10), line('value', 18, 100)])], []);
  assert.deepEqual([...fieldValues([line('value', 18, 10), line('field', 10, 34)])], []);
  assert.deepEqual([...fieldValues([line('value', 10, 10, 40), line('field', 90, 12)])], []);
  const second = [line('field', 10, 10), line('field', 10, 40), line('value', 18, 64)];
  assert.deepEqual([...fieldValues(second)], [[1, 2]]);
});
