// What is said of read lines: as the element classifier knows them, and of a whole screen nothing important left out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sureLines } from '../../src/ask/certainty.js';
import type { HandedLine, HandedOn } from '../../src/ask/conversations.js';
import { Statements } from '../../src/ask/statements.js';

const SIZE = { width: 300, height: 300 };

interface Where {
  x?: number;
  lead?: number;
  height?: number;
}

/** A line 14 pixels high; `y` orders them. */
const line = (
  y: number,
  text: string,
  role: string,
  states: string[] = [],
  { x = 10, lead = 5, height = 14 }: Where = {},
): HandedLine => ({
  text,
  box: { x, y, width: 60, height },
  mark: { role, states, lead, margins: Object.fromEntries(states.map((state) => [state, 2])) },
});

const form = [
  line(10, 'Log in', 'heading'),
  line(40, 'Email', 'field', ['wrong']),
  line(60, 'anna@x.org', 'value'),
  line(90, 'Password', 'field'),
  line(120, 'Stay signed in', 'checkbox', ['not checked']),
  line(150, 'Save', 'button', ['disabled']),
  line(180, 'Version 3', 'plain'),
];
type Look = Partial<NonNullable<HandedOn['screen']>>;
const about = (lines: HandedLine[], screen?: Look, question?: string): Statements =>
  new Statements(
    [
      {
        written: '',
        lines,
        screen: { dark: true, kind: 'form', counts: ['2 fields', '1 button'], size: SIZE, ...screen },
      },
    ],
    question,
  );
const settle = (statements: Statements, said: string) => statements.settle(said, said);

test('what a quoted line is, its mark says: role, states and what stands in a field', () => {
  const statements = about(form);
  assert.equal(settle(statements, 'switch "Log in", on'), 'heading "Log in"');
  assert.equal(settle(statements, 'field "Email"'), 'field "Email": "anna@x.org", wrong');
  assert.equal(settle(statements, 'field "Password": "Stay signed in"'), 'field "Password"');
  assert.equal(settle(statements, 'field "Password": "anna@x.org"'), undefined, 'it stands in the other one');
  assert.equal(settle(statements, 'button "Stay signed in"'), 'checkbox "Stay signed in", not checked');
  assert.equal(settle(statements, 'button "Save"'), 'button "Save", disabled');
  assert.equal(settle(statements, 'button "Version 3"'), undefined);
  assert.equal(settle(statements, 'link "Save"'), undefined, 'it was said before');
});

test('the first sentence says the look that pixels have and the kind that the lines make, however unsure the model is', () => {
  const said = 'A light settings page titled "Log in" with 3 switches.';
  assert.equal(about(form).settle(said, said), 'A dark form titled "Log in" with 2 fields and 1 button.');
  assert.equal(about(form).settle(undefined, said), 'A dark form with 2 fields and 1 button.');
  assert.equal(about(form, { dark: false, counts: [] }).settle(said, said), 'A light form titled "Log in".');
  const invented = 'A light page titled "Sign up".';
  assert.equal(about(form, { counts: [] }).settle(invented, invented), 'A dark form.');
  const none = 'This is not a screen.';
  assert.equal(about(form).settle(none, none), none);
});

test('without marks nothing is changed, and what was not read goes', () => {
  const statements = new Statements([{ written: '', lines: [{ text: 'Sign in', box: form[0]!.box }] }]);
  assert.equal(settle(statements, 'A light form.'), 'A light form.');
  assert.equal(settle(statements, 'button "Sign in", on'), 'button "Sign in", on');
  assert.equal(settle(statements, 'button "Buy now"'), undefined);
});

test('what is important and was left out stands between the statements that there are, in reading order', () => {
  const statements = about(form);
  const said = ['A light form.', 'field "Email"', 'button "Save"'].map((text) => settle(statements, text)!);
  assert.deepEqual(statements.completed(said, 1000), [
    'A dark form with 2 fields and 1 button.',
    'heading "Log in"',
    'field "Email": "anna@x.org", wrong',
    'field "Password"',
    'checkbox "Stay signed in", not checked',
    'button "Save", disabled',
  ]);
});

test('no more is added than there is room for, and nothing of which the classifier is unsure or that has no letters', () => {
  const few = about(form);
  assert.deepEqual(few.completed([], 'heading "Log in"'.length + 1), ['heading "Log in"']);
  const unsure = about([line(10, 'Save', 'button', [], { lead: 0.5 }), line(30, '■', 'switch', ['on'])]);
  assert.deepEqual(unsure.completed([], 1000), []);
});

test('an error that fills two lines is one, unless the screen is made of lines', () => {
  const lines = [line(10, 'Wrong email or', 'error'), line(26, 'password.', 'error')];
  assert.deepEqual(about(lines).completed([], 1000), ['error "Wrong email or password."']);
  assert.deepEqual(about(lines, { kind: 'log' }).completed([], 1000), [
    'error "Wrong email or"',
    'error "password."',
  ]);
  const whole = about(lines);
  const said = settle(whole, 'error "Wrong email or password."')!;
  assert.deepEqual(whole.completed([said], 1000), [said], 'said already');
  const apart = [lines[0]!, line(60, 'password.', 'error')];
  assert.equal(about(apart).completed([], 1000).length, 2);
});

test('a row is all of its cells, whichever are quoted, and selected as they say together; rows are not left out', () => {
  const cell = (y: number, x: number, text: string, margin: number, role = 'row'): HandedLine => {
    const found = line(y, text, role, margin > 0 ? ['selected'] : [], { x });
    return { ...found, mark: { ...found.mark!, margins: { selected: margin } } };
  };
  const table = [
    cell(10, 10, 'No.', -3, 'header'),
    cell(11, 100, 'Name', -3, 'header'),
    cell(40, 10, '4303', -2),
    cell(41, 100, 'Ines', 4),
    cell(40, 200, 'Lamp', -1, 'plain'),
    cell(70, 10, '51', -3),
    cell(70, 100, 'Tom', -3),
  ];
  const statements = about(table, { kind: 'table' });
  assert.equal(settle(statements, 'row "Ines | 4303"'), 'row "4303 | Ines | Lamp", selected');
  assert.equal(settle(statements, 'text "Lamp"'), undefined, 'said with its row');
  assert.deepEqual(statements.completed(['row "4303 | Ines | Lamp", selected'], 1000), [
    'header "No. | Name"',
    'row "4303 | Ines | Lamp", selected',
    'row "51 | Tom"',
  ]);
});

test('where room is short, what is important comes first', () => {
  const lines = [line(10, 'Home', 'link'), line(40, 'Save', 'button')];
  assert.deepEqual(about(lines).completed([], 'button "Save"'.length + 1), ['button "Save"']);
  assert.deepEqual(about(lines).completed([], 1000), ['link "Home"', 'button "Save"']);
});

test('of several pictures no place is compared and no look said', () => {
  const reading = { written: '', lines: form, screen: { dark: true, kind: 'form', counts: [], size: SIZE } };
  const statements = new Statements([reading, reading]);
  assert.equal(settle(statements, 'A light page.'), 'A light page.');
  assert.equal(settle(statements, 'field "Email"'), 'field "Email", wrong');
});

test('an answer is shown without its inventions', () => {
  const text = 'A light form.\nheading "Log in"\nbutton "Buy now"';
  const sure = [{ end: text.length, probability: 1 }];
  const statements = about(form, { counts: [] });
  assert.deepEqual(
    sureLines(text, sure, (part, whole) => statements.settle(part, whole)),
    ['A dark form.', 'heading "Log in"'],
  );
});

test('what is established about a quoted element answers a question, sure or not', () => {
  const asked = about(form, {}, 'Is the button "Save" disabled?');
  assert.equal(asked.settle(undefined, 'No.'), 'Yes.');
  assert.equal(about(form, {}, 'Who made this?').settle(undefined, 'No.'), undefined);
});
