// Statements that the model was unsure of are left out, whole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LEAST_PROBABILITY, sureLines, UNSURE } from '../../src/ask/certainty.js';

/** A token a character; the characters at `unsure` are improbable. */
function said(text: string, ...unsure: number[]) {
  const certainty = [...text].map((_, i) => ({
    end: i + 1,
    probability: unsure.includes(i) ? LEAST_PROBABILITY / 2 : 0.9,
  }));
  return sureLines(text, certainty);
}

const answer = 'A dark form.\nbutton "OK", disabled\nfield "Name"';
const at = (part: string) => answer.indexOf(part);

test('sure statements stay as they are', () => assert.equal(said(answer), answer));

test('a role, a state, the end of a statement and the beginning of a quotation decide', () => {
  for (const part of ['utton', ', dis', '\nfield', 'OK'])
    assert.equal(said(answer, at(part)), 'A dark form.\nfield "Name"', part);
});

test('the rest of a quotation is copied and does not decide', () => {
  assert.equal(said(answer, at('K"'), at('ame')), answer);
});

test('quotes of one line do not reach into the next', () => {
  const open = 'text "a\nbutton "b"';
  assert.equal(said(open, open.indexOf('utton')), 'text "a');
});

test('where nothing is left it says so; an empty answer stays empty', () => {
  assert.equal(said('Yes.', 0), UNSURE);
  assert.equal(said(''), '');
});

test('tokens of several characters are judged where they begin', () => {
  const text = 'link "a"\nrow "b"';
  const tokens = (probability: number) => [
    { end: 6, probability: 0.9 },
    { end: 9, probability: 0.9 },
    { end: 14, probability },
    { end: 16, probability: 0.9 },
  ];
  assert.equal(sureLines(text, tokens(0.1)), 'link "a"');
  assert.equal(sureLines(text, tokens(0.9)), text);
});
