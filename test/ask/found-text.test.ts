// What a description names among read lines, and what it does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describedBy } from '../../src/ask/described.js';
import { foundText } from '../../src/ask/found-text.js';
import type { Elements, Mark } from '../../src/reading/elements.js';
import type { Reading } from '../../src/reading/reading.js';
import { line } from '../mcp/scripted-reader.js';

const read: [text: string, role: string, colour?: string][] = [
  ['Send a message', 'heading'],
  ['Send', 'button', 'blue'],
  ['Send', 'link'],
  ['Save', 'button', 'green'],
  ['Sender', 'field'],
  ['Email', 'plain'],
  ['Red Hat', 'link'],
  ['Edit', 'button'],
  ['发送邮件', 'plain'],
];
const reading: Reading = {
  width: 400,
  height: 400,
  lines: read.map(([text], i) => line(text, 10, 10 + 40 * i, 10 * text.length, 20)),
  rows: read.map((_, i) => [i]),
};
const elements: Elements = {
  dark: false,
  marks: read.map(([, role, colour]): Mark => ({
    role,
    states: [],
    ...(colour && { colour }),
    lead: 1,
    margins: {},
  })),
};

/** Indices of the lines that the first reading of the description that finds any finds. */
function found(what: string, marks: Elements | null = elements): number[] {
  for (const wanted of describedBy(what).readings) {
    const { places } = foundText(reading, wanted, marks ?? undefined);
    if (places.length > 0) return places.map(({ box }) => (box.y - 10) / 40);
  }
  return [];
}

test('the text alone, whole lines first; never letters inside another word', () => {
  assert.deepEqual(found('Send'), [1, 2, 0]);
  assert.deepEqual(found('send'), [1, 2, 0]);
  assert.deepEqual(found('发送'), [8], 'scripts that part no words');
  assert.deepEqual(found('end'), []);
});

test('role and colour narrow it, in any wording', () => {
  for (const what of [
    'the Send button',
    'Send button',
    'the blue Send button',
    'the button "Send"',
    'the "Send" button',
    "button labelled 'Send'",
    'the blue button named Send',
    'the Blue Send Button.',
  ])
    assert.deepEqual(found(what), [1], what);
  assert.deepEqual(found('the Send link'), [2]);
  assert.deepEqual(found('the Red Hat link'), [6]);
  assert.deepEqual(found('Red Hat'), [6]);
  assert.deepEqual(
    found('the Email field'),
    [5],
    'the classifier errs: a whole line stays what it is called',
  );
});

test('without a text, whatever is so', () => {
  assert.deepEqual(found('the green button'), [3]);
  assert.deepEqual(found('the blue one'), [], 'the text "one" is nowhere');
  assert.deepEqual(found('buttons'), [1, 3, 7]);
  assert.deepEqual(found('the link'), [2, 6]);
});

test('what contradicts the description is not found, and is told', () => {
  assert.deepEqual(found('the red Send button'), []);
  assert.deepEqual(found('the purple button'), []);
  const wanted = describedBy('the red Save button').readings.at(-1)!;
  assert.deepEqual(wanted, { text: 'Save', roles: ['button'], colour: 'red' });
  assert.equal(foundText(reading, wanted, elements).otherwise?.mark?.colour, 'green');
  assert.deepEqual(found('the orange message checkbox'), [], 'a word of a heading is no checkbox');
});

test('another word of almost the same letters is another word', () => {
  assert.deepEqual(found('Exit'), []);
  assert.deepEqual(found('Safe'), []);
  assert.deepEqual(found('5end'), [1, 2, 0], 'signs that readers take for each other are forgiven');
});

test('where nobody can say what lines are, the text decides', () => {
  assert.deepEqual(found('the red Send button', null), [1, 2]);
  assert.deepEqual(found('the red button', null), []);
});

test('more than text, role and colour is known to be left over', () => {
  assert.equal(describedBy('the "Send" button in the top right corner').more, true);
  assert.equal(describedBy('the "Send" button').more, false);
  for (const what of ['', ' ', '"', '""', "'", 'the', 'constructor', '__proto__ toString', '“Send'])
    assert.doesNotThrow(() => found(what), what);
});
