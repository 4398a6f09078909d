// Quotations of a model that answers from read lines: those that were read stand, inventions do not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sureLines } from '../../src/ask/certainty.js';
import { quotesOnly } from '../../src/ask/quotes.js';
import { elementsText, readingText, textsOf } from '../../src/prompt/layout.js';

const lines = ['Sign in', 'Wrong email or', 'password.', 'Name', 'Size', 'notes.txt 4 KB'];
const stands = quotesOnly(lines);

test('a whole line, a part of one, several lines together and cells of a row were read', () => {
  for (const said of [
    'heading "Sign in"',
    'item "notes.txt"',
    'error "Wrong email or password."',
    'header "Name | Size"',
    'checkbox "Signin", checked',
    'A light form titled "Sign in" with 2 fields.',
    'I cannot tell.',
  ])
    assert.equal(stands(said), true, said);
});

test('a word that is not there, a line that runs on into a part of the next, and lines out of order are inventions', () => {
  for (const said of [
    'heading "Sign out"',
    'heading "Sign in Wrong"',
    'field "Name": "Anna"',
    'header "Name | Price"',
    'error "password. Wrong email or"',
  ])
    assert.equal(stands(said), false, said);
});

test('what a prompt holds is read back from it', () => {
  const written = lines.map((text, i) => ({ text, x: i, y: 2 * i, mark: 'button, disabled' }));
  const size = { width: 100, height: 100 };
  assert.deepEqual(textsOf(readingText(written, size)), lines);
  assert.deepEqual(textsOf(elementsText(written, size, true)), lines);
  assert.deepEqual(textsOf(readingText([{ text: 'total: 5', x: 1, y: 1 }], size)), ['total: 5']);
});

test('an answer is shown without its inventions', () => {
  const text = 'A light form.\nheading "Sign in"\nbutton "Buy now"';
  const sure = [{ end: text.length, probability: 1 }];
  assert.equal(sureLines(text, sure, stands), 'A light form.\nheading "Sign in"');
});
