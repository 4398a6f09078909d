import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoopGuard } from '../../src/prompt/loop-guard.js';
import { Tokenizer } from '../../src/prompt/tokenizer.js';
import { familyFolder } from './families.js';

// The small vocabulary of the fixtures writes about one token for two characters: more tokens than a real one.
const tokenizer = Tokenizer.load(familyFolder('qwen3_vl'));

/** Tokens after which the guard ends the text, or Infinity. */
function endsAfter(text: string): number {
  const guard = new LoopGuard();
  const ids = tokenizer.encode(text);
  for (let i = 0; i < ids.length; i++) if (guard.push(ids[i]!, tokenizer.decode([ids[i]!]))) return i + 1;
  return Infinity;
}

const contents = Array.from(
  { length: 30 },
  (_, i) => `${i + 1}. Chapter ${i} ${'.'.repeat(80)} ${i * 7 + 3}`,
).join('\n');
const empty = `| Name | Qty | Price | Total |\n|---|---|---|---|\n${'| | | | |\n'.repeat(12)}`;
const sheet = Array.from({ length: 25 }, (_, i) => `Item ${i}\t0.00\t0.00\t0.00\t${i}.50`).join('\n');
const log = `${'Nov 21 10:00 kernel: link down\n'.repeat(12)}done`;
const code = Array.from({ length: 20 }, (_, i) => `    case ${i}: return "${i * i}";\n    break;`).join('\n');

for (const [name, text] of Object.entries({
  'a table of contents with dot leaders': contents,
  'a table with empty rows': empty,
  'a sheet of zeros': sheet,
  'a log that repeats a line': log,
  'cases of a switch': code,
  'a ruler': `Title\n${'='.repeat(100)}\n${'-'.repeat(100)}\ntext`,
  'a wide table head': `|${'---|'.repeat(24)}`,
  'blank lines': `a${'\n'.repeat(40)}b`,
  'a progress bar': `[${'#'.repeat(60)}${' '.repeat(40)}] 60 %`,
})) {
  test(`${name} passes`, () => assert.equal(endsAfter(text), Infinity));
}

for (const [name, unit] of Object.entries({
  'one character': '0',
  'one word': ' the',
  'a phrase': ' and the window is open',
  'a sentence': 'The image shows a dialog with two buttons, and one of them is labelled OK. ',
  'two lines': 'Name: John\nAge: 32\n',
  'an empty table row': '| | | |\n',
})) {
  test(`${name} for ever is ended`, () => {
    const end = endsAfter(`The picture shows a form. ${unit.repeat(2000)}`);
    assert.ok(end < 1000, `${end} tokens`);
  });
}

test('a cycle longer than the token window is ended by its lines', () => {
  const paragraph = Array.from(
    { length: 5 },
    (_, i) => `Line ${i} of a paragraph that says ${'again and '.repeat(i + 2)}once more.`,
  ).join('\n');
  assert.ok(tokenizer.encode(paragraph).length > 64);
  const end = endsAfter(`${paragraph}\n`.repeat(60));
  assert.ok(end <= tokenizer.encode(`${paragraph}\n`.repeat(17)).length, `${end} tokens`);
});

test('a repetition that ends in time is not held against the text that follows', () => {
  const ids = new LoopGuard();
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 100; i++) assert.equal(ids.push(5, '-'), false);
    assert.equal(ids.push(100 + round, ' '), false);
  }
});
