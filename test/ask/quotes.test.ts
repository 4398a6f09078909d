// Quotations of a model that answers from read lines: those that were read stand, inventions do not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sureLines } from '../../src/ask/certainty.js';
import { settledBy } from '../../src/ask/quotes.js';
import type { Mark } from '../../src/reading/elements.js';

const lines = ['Sign in', 'Wrong email or', 'password.', 'Name', 'Size', 'notes.txt 4 KB'];
const stands = (said: string) => settledBy(lines.map((text) => ({ text })))(said) === said;

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

const line = (text: string, role: string, ...states: string[]): { text: string; mark: Mark } => ({
  text,
  mark: { role, states, margins: {} },
});

test('what a quoted line is, its mark says: role and states, and which line is the content of a field', () => {
  const marked = [
    line('Log in', 'heading'),
    line('Email', 'field', 'wrong'),
    line('anna@x.org', 'value'),
    line('Stay signed in', 'checkbox', 'not checked'),
    line('Save', 'button', 'disabled'),
    line('Version 3', 'plain'),
  ];
  const settled = settledBy(marked);
  assert.equal(settled('switch "Log in", on'), 'heading "Log in"');
  assert.equal(settled('field "Email": "anna@x.org"'), 'field "Email": "anna@x.org", wrong');
  assert.equal(settled('field "Email": "Stay signed in"'), 'field "Email", wrong');
  assert.equal(settled('button "Stay signed in"'), 'checkbox "Stay signed in", not checked');
  assert.equal(settled('button "Save"'), 'button "Save", disabled');
  assert.equal(settled('button "Version 3"'), undefined);
  assert.equal(settled('link "Save"'), undefined, 'it was said before');
  assert.equal(
    settled('A dark form titled "Log in" with 1 button.'),
    'A dark form titled "Log in" with 1 button.',
  );
});

test('an answer is shown without its inventions', () => {
  const text = 'A light form.\nheading "Sign in"\nbutton "Buy now"';
  const sure = [{ end: text.length, probability: 1 }];
  const settled = settledBy(lines.map((text) => ({ text })));
  assert.equal(sureLines(text, sure, settled), 'A light form.\nheading "Sign in"');
});
