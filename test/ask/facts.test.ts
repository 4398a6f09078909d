// Answers whose form says a state, colour, place, number or content say what classifier and reader establish.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HandedLine } from '../../src/ask/conversations.js';
import { establishedAnswer, type Established } from '../../src/ask/facts.js';

const ALL = { checkbox: ['checked'], switch: ['on', 'off'], row: ['selected'], button: ['disabled'] };

function line(
  text: string,
  role: keyof typeof ALL | 'field' | 'value' | 'heading',
  y: number,
  ...states: string[]
) {
  const can = role in ALL ? ALL[role as keyof typeof ALL] : [];
  const margins = Object.fromEntries(can.map((state) => [state, states.includes(state) ? 2 : -y / 100]));
  const mark = { role, states, lead: 3, margins };
  return { text, box: { x: 200, y, width: 40, height: 14 }, mark } satisfies HandedLine;
}

const lines: HandedLine[] = [
  line('Log in', 'heading', 10),
  line('Email', 'field', 40),
  line('anna@x.org', 'value', 60),
  line('City', 'field', 80),
  line('Stay signed in', 'checkbox', 110, 'checked'),
  line('Wifi', 'switch', 130, 'off'),
  { ...line('1', 'row', 160), box: { x: 10, y: 160, width: 8, height: 14 } },
  line('Ada', 'row', 162),
  line('Bo', 'row', 190),
  line('Save', 'button', 250, 'disabled'),
];
lines.at(-1)!.mark!.colour = 'teal';
const known: Established = {
  lines,
  values: new Map([[1, 2]]),
  dark: true,
  kind: 'settings page',
  counts: ['2 rows', '1 button'],
  size: { width: 300, height: 300 },
};
const said = (question: string, answer: string) => establishedAnswer(question, answer, known);

test('yes and no to a state that the element can have', () => {
  assert.equal(said('Is the checkbox "Stay signed in" checked?', 'No.'), 'Yes.');
  assert.equal(said('Is "Stay signed in" unchecked?', 'Yes.'), 'No.');
  assert.equal(said('Is "Wifi" on?', 'Yes.'), 'No.');
  assert.equal(said('Is "Save" enabled?', 'Yes.'), 'No.');
  assert.equal(said('Is "Save" on the page?', 'Yes.'), undefined, 'no switch');
  assert.equal(said('Is there a switch "Wifi" on the page?', 'Yes.'), undefined);
  assert.equal(said('Is "Save" blue?', 'No.'), undefined);
  assert.equal(said('Is "Cancel" disabled?', 'Yes.'), undefined, 'not read');
  assert.equal(said('Is "Save" or "Wifi" disabled?', 'No.'), undefined);
});

test('what was read and is what the question calls it is there', () => {
  assert.equal(said('Is there a button "Save"?', 'No.'), 'Yes.');
  assert.equal(said('Do you see a "Save" button?', 'No.'), 'Yes.');
  assert.equal(said('Is there a field "Save"?', 'No.'), undefined, 'it is a button');
  assert.equal(said('Is there a button "Cancel"?', 'Yes.'), undefined, 'not read');
  assert.equal(said('Is there a button "Save" below the table?', 'No.'), undefined, 'it asks more');
});

test('the colour of a button, a place by thirds, how many there are', () => {
  assert.equal(said('What color is the button "Save"?', 'blue.'), 'teal.');
  assert.equal(said('What color is "Wifi"?', 'blue.'), undefined);
  assert.equal(said('Where is the button "Save"?', 'top left.'), 'bottom right.');
  assert.equal(said('Where is the field "Email"?', 'top left.'), undefined, 'a field is not its name');
  assert.equal(said('How many rows are there?', '5'), '2');
  assert.equal(said('How many buttons do you see?', '5'), '1');
  assert.equal(said('How many birds are there?', '5'), undefined);
});

test('what a field holds, and which row is selected', () => {
  assert.equal(said('What is in the field "Email"?', 'There is no such field.'), '"anna@x.org"');
  assert.equal(said('What is in the field "City"?', '"anna@x.org"'), 'It is empty.');
  assert.equal(said('What is in the field "Log in"?', 'There is no such field.'), undefined);
  assert.equal(said('Which row is selected?', '"Bo"'), '"1 | Ada"', 'the likeliest, with all its cells');
  assert.equal(said('Which tab is selected?', '"Bo"'), undefined);
  assert.equal(said('Which row is the longest?', '"Bo"'), undefined);
});

test("an answer of another form is the model's own", () => {
  for (const answer of ['I cannot tell.', 'It is a button.', 'A dark form.'])
    assert.equal(said('Is the button "Save" disabled?', answer), undefined, answer);
});

test('the kind of screen, where one is likely', () => {
  assert.equal(said('What kind of screen is this?', 'I cannot tell.'), 'A dark settings page.');
  assert.equal(said('What type of page is it?', 'A light form.'), 'A dark settings page.');
  assert.equal(said('What kind of fruit is this?', 'I cannot tell.'), undefined);
  const unlikely = { ...known, kind: undefined };
  assert.equal(establishedAnswer('What kind of screen is this?', 'I cannot tell.', unlikely), undefined);
});
