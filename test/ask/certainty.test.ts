// What the model was unsure of is left out: statements whole, or from the first unsure word behind a quotation on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LEAST_PROBABILITY, sureLines, unseen } from '../../src/ask/certainty.js';

/** A token a character; the characters at `unsure` are improbable. */
function said(text: string, ...unsure: number[]) {
  const certainty = [...text].map((_, i) => ({
    end: i + 1,
    probability: unsure.includes(i) ? LEAST_PROBABILITY / 2 : 0.9,
  }));
  return sureLines(text, certainty).join('\n');
}

const answer = 'A dark form titled "In" with 2 fields.\nbutton "OK", disabled\nfield "Name"';
const at = (part: string) => answer.indexOf(part);
const lines = answer.split('\n');

test('sure statements stay as they are', () => assert.equal(said(answer), answer));

test('a role and the beginning of a quotation decide about the whole statement', () => {
  for (const part of ['utton', 'OK']) assert.equal(said(answer, at(part)), `${lines[0]}\n${lines[2]}`, part);
});

test('of an unsure state or count only that is left out', () => {
  assert.equal(said(answer, at(', dis')), `${lines[0]}\nbutton "OK"\n${lines[2]}`);
  assert.equal(said(answer, at('2 fields')), `A dark form titled "In".\n${lines[1]}\n${lines[2]}`);
  assert.equal(said('A dark menu with 5 items.', 17), 'A dark menu.');
  assert.equal(said('A dark menu with 5 items.', 2), '');
});

test('the rest of a quotation is copied and does not decide', () => {
  assert.equal(said(answer, at('K"'), at('ame')), answer);
});

test('quotes of one line do not reach into the next', () => {
  const open = 'text "a\nbutton "b"';
  assert.equal(said(open, open.indexOf('utton')), 'text "a');
});

test('nothing may be left', () => {
  assert.deepEqual(sureLines('Yes.', [{ end: 4, probability: 0.1 }]), []);
  assert.deepEqual(sureLines('', []), ['']);
});

test('who settles what remains is told of every line what is sure of it', () => {
  const told: unknown[] = [];
  sureLines(
    'Yes.\nlink "a"',
    [
      { end: 4, probability: 0.1 },
      { end: 13, probability: 0.9 },
    ],
    (sure, line) => {
      told.push([sure, line]);
      return sure;
    },
  );
  assert.deepEqual(told, [
    [undefined, 'Yes.'],
    ['link "a"', 'link "a"'],
  ]);
});

test('tokens of several characters are judged where they begin', () => {
  const text = 'link "a"\nrow "b"';
  const tokens = (probability: number) => [
    { end: 6, probability: 0.9 },
    { end: 9, probability: 0.9 },
    { end: 14, probability },
    { end: 16, probability: 0.9 },
  ];
  assert.deepEqual(sureLines(text, tokens(0.1)), ['link "a"']);
  assert.deepEqual(sureLines(text, tokens(0.9)), text.split('\n'));
});

test('a continued answer goes on where it was shown', () => {
  assert.equal(unseen('one\ntwo and more\nthree', 'one\ntwo'), ' and more\nthree');
  assert.equal(unseen('one\nthree', 'one\ntw'), '\nthree', 'the second line is not kept after all');
  assert.equal(unseen('one\n"two"\nthree', 'one\n"two", dis'), '\nthree', 'it is kept in part');
  assert.equal(unseen('one', 'one\ntw'), '');
});
