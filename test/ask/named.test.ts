// Names of elements as people write them, put between straight quotation marks where they were read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HandedLine } from '../../src/ask/conversations.js';
import { namesQuoted } from '../../src/ask/named.js';

const line = (text: string, role: string): HandedLine => ({
  text,
  box: { x: 0, y: 0, width: 10, height: 10 },
  mark: { role, states: [], lead: 5, margins: {} } as unknown as NonNullable<HandedLine['mark']>,
});
const LINES = [
  line('Member login', 'heading'),
  line('Email:', 'field'),
  line('Stay signed in', 'checkbox'),
  line('Save', 'button'),
  line('Save all', 'button'),
  line('a', 'link'),
  line('of the page', 'plain'),
];

for (const [asked, wanted] of [
  ['What is in the Email field?', 'What is in the "Email" field?'],
  ['what does the input email contain?', 'what does the input "Email" contain?'],
  ['Is the Stay signed in box checked?', 'Is the "Stay signed in" box checked?'],
  ['Is stay signed in on?', 'Is "Stay signed in" on?'],
  ['Where is the “Save” button?', 'Where is the "Save" button?'],
  ["Where is 'save all'?", 'Where is "save all"?'],
  ['Where is `Member login`?', 'Where is "Member login"?'],
  ['Is the Save all button blue?', 'Is the "Save all" button blue?'],
] as const)
  test(`${asked} names what was read`, () => assert.equal(namesQuoted(asked, LINES), wanted));

for (const asked of [
  'Is there an email address?',
  'Was the file saved in the Saves field?',
  'What is "Email" beside the Save button?',
  "What's in the user's list?",
  'Where is “Delete”?',
  'What is at the end of the page?',
  'Is there a link?',
])
  test(`${asked} stays as it is`, () => assert.equal(namesQuoted(asked, LINES), asked));
