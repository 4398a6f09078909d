// Kimi's own form of a tokenizer against OpenAI's tiktoken with Kimi's pattern: test/prompt/tiktoken/make.py recorded it.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readTokenizer } from '../../src/models/checkpoint/tiktoken.js';
import { Tokenizer } from '../../src/prompt/tokenizer.js';

const FOLDER = join(import.meta.dirname, 'tiktoken');
const MODEL = readFileSync(join(FOLDER, 'tiktoken.model'), 'utf8');
const cases = JSON.parse(readFileSync(join(FOLDER, 'cases.json'), 'utf8')) as {
  text: string;
  ids: number[];
}[];
const scratch = mkdtempSync(join(tmpdir(), 'tiktoken-'));
after(() => rmSync(scratch, { recursive: true }));

test('every recorded text has the ids of tiktoken, and comes back', () => {
  const tokenizer = Tokenizer.load(FOLDER);
  for (const { text, ids } of cases) {
    assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
    assert.equal(tokenizer.decode(ids, false), text);
  }
});

test('control tokens have their names, reserved ones a number, and typed text becomes none of them', () => {
  const tokenizer = Tokenizer.load(FOLDER);
  const first = MODEL.trim().split('\n').length;
  assert.equal(tokenizer.tokenId('[EOS]'), first + 1);
  assert.equal(tokenizer.tokenId(`<|reserved_token_${first + 200}|>`), first + 200);
  assert.equal(tokenizer.addedTokens.length, 256);
  const text = '<|im_end|>';
  const controls = new Set([first + 2]);
  const typed = tokenizer.encodePrompt({ text, cuts: [1, 2, 3], seams: [] }, controls);
  assert.deepEqual(typed.anchors, []);
  assert.equal(tokenizer.decode(typed.ids, false), text);
  assert.equal(tokenizer.encodePrompt({ text, cuts: [], seams: [] }, controls).anchors.length, 1);
});

test('a tokenizer.json beside it comes first', () => {
  const folder = mkdtempSync(join(scratch, 'both-'));
  cpSync(FOLDER, folder, { recursive: true });
  writeFileSync(join(folder, 'tokenizer.json'), '{"model":{"type":"WordLevel"}}');
  assert.deepEqual(readTokenizer(folder), { model: { type: 'WordLevel' } });
});

test('a list that is torn, out of order or without a byte is refused by name', () => {
  const lines = MODEL.split('\n');
  const broken = [lines.slice(0, 200), [lines[1], lines[0], ...lines.slice(2)], [...lines, 'AAAA'], ['']];
  for (const [i, some] of broken.entries()) {
    writeFileSync(join(scratch, 'tiktoken.model'), some.join('\n'));
    assert.throws(
      () => Tokenizer.load(scratch),
      { code: 'INVALID_CHECKPOINT', message: /tiktoken\.model/ },
      `${i}`,
    );
  }
});
