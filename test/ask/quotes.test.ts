// Quotations of a model that answers from read lines: those that were read stand, inventions do not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Quotable } from '../../src/ask/quotes.js';

const box = { x: 0, y: 0, width: 10, height: 10 };
const lines = ['Sign in', 'Wrong email or', 'password.', 'Name', 'Size', 'notes.txt 4 KB'];
const quotable = new Quotable(lines.map((text) => ({ text, box })));

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
    assert.equal(quotable.allRead(said), true, said);
});

test('a word that is not there, a line that runs on into a part of the next, and lines out of order are inventions', () => {
  for (const said of [
    'heading "Sign out"',
    'heading "Sign in Wrong"',
    'field "Name": "Anna"',
    'header "Name | Price"',
    'error "password. Wrong email or"',
  ])
    assert.equal(quotable.allRead(said), false, said);
});

test('a quotation has the place of its first line and spans all of which it is made', () => {
  assert.equal(quotable.lineOf('Wrong email or password.'), 1);
  assert.equal(quotable.span('Wrong email or password.', 1), 2);
  assert.equal(quotable.lineOf('4 KB'), 5);
  assert.equal(quotable.span('4 KB', 5), 1);
  assert.equal(quotable.lineOf('Cancel'), undefined);
});
