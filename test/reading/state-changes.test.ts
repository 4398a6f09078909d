// Changed states: told of elements near which pixels changed, where the classifier clearly thinks otherwise now.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mark } from '../../src/reading/elements.js';
import type { ReadLine } from '../../src/reading/reading.js';
import { stateChanges } from '../../src/reading/state-changes.js';

type Line = [text: string, y: number, role: string, states: string[], margin?: number];

const STATES = ['checked', 'not checked', 'on', 'off', 'selected', 'disabled'];

function seen(...lines: Line[]) {
  const read = lines.map(([text, y]): ReadLine => ({
    text,
    box: { x: 40, y, width: 80, height: 16 },
    confidence: 1,
    characters: [],
  }));
  const marks = lines.map(([, , role, states, margin = 3]): Mark => {
    const margins = STATES.map((state) => [state, states.includes(state) ? margin : -margin]);
    return { role, states, lead: margin, margins: Object.fromEntries(margins) as Mark['margins'] };
  });
  return {
    reading: { width: 400, height: 300, lines: read, rows: read.map((_, i) => [i]) },
    elements: { dark: false, marks },
  };
}

const beside = (y: number) => [{ x: 16, y, width: 14, height: 14 }];
const told = (...args: Parameters<typeof stateChanges>) =>
  stateChanges(...args).map(({ role, text, now }) => `${role} ${text} ${now}`);

test('a box that was checked, a switch that was turned off, a tab that was selected, a button enabled again', () => {
  const before = seen(
    ['Wifi', 20, 'checkbox', ['not checked']],
    ['Sound', 60, 'switch', ['on']],
    ['Files', 100, 'tab', []],
    ['Save', 140, 'button', ['disabled']],
  );
  const after = seen(
    ['Wifi', 20, 'checkbox', ['checked']],
    ['Sound', 60, 'switch', ['off']],
    ['Files', 100, 'tab', ['selected']],
    ['Save', 140, 'button', []],
  );
  const everywhere = [{ x: 0, y: 0, width: 400, height: 300 }];
  assert.deepEqual(told(before, after, everywhere), [
    'checkbox Wifi checked',
    'switch Sound off',
    'tab Files selected',
    'button Save not disabled',
  ]);
});

test('nothing where no pixel near the line changed, where the network hardly changed its mind, or where the role is another', () => {
  const before = seen(['Wifi', 20, 'checkbox', ['not checked']]);
  const after = seen(['Wifi', 20, 'checkbox', ['checked']]);
  assert.deepEqual(told(before, after, beside(20)), ['checkbox Wifi checked']);
  assert.deepEqual(told(before, after, beside(120)), []);
  const hardly = seen(['Wifi', 20, 'checkbox', ['not checked'], 0.5]);
  assert.deepEqual(told(hardly, seen(['Wifi', 20, 'checkbox', ['checked'], 0.5]), beside(20)), []);
  assert.deepEqual(told(hardly, after, beside(20)), ['checkbox Wifi checked']);
  assert.deepEqual(told(seen(['Wifi', 20, 'radio', ['not checked']]), after, beside(20)), [
    'checkbox Wifi checked',
  ]);
  assert.deepEqual(told(before, seen(['Wifi', 20, 'switch', ['on']]), beside(20)), []);
});

test('of several lines with one text the nearest is meant, also in a picture of another size', () => {
  const before = seen(['On', 20, 'switch', ['on']], ['On', 80, 'switch', ['off']]);
  const after = seen(['On', 20, 'switch', ['on']], ['On', 80, 'switch', ['on']]);
  assert.deepEqual(told(before, after, beside(80)), ['switch On on']);
  const twice = seen(['On', 40, 'switch', ['on']], ['On', 160, 'switch', ['on']]);
  for (const { box } of twice.reading.lines) box.x *= 2;
  assert.deepEqual(told(before, twice, [{ x: 0, y: 0, width: 800, height: 600 }], 2), ['switch On on']);
});
