import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Tokenizer } from '../../src/prompt/tokenizer.js';
import { familyFolder, familyNames, readFixture } from './families.js';

interface TokenizerCase {
  text: string;
  ids: number[];
  decoded: string;
  decoded_skip_special: string;
}

for (const name of familyNames) {
  test(`${name}: ids and both decodes of the recorded texts`, () => {
    const tokenizer = Tokenizer.load(familyFolder(name));
    for (const { text, ids, decoded, decoded_skip_special } of readFixture<TokenizerCase[]>(
      name,
      'tokenizer_cases.json',
    )) {
      assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
      assert.equal(tokenizer.decode(ids, false), decoded);
      assert.equal(tokenizer.decode(ids), decoded_skip_special);
    }
  });
}

test('nothing encodes to nothing and back', () => {
  const tokenizer = Tokenizer.load(familyFolder('qwen3_vl'));
  assert.deepEqual(tokenizer.encode(''), []);
  assert.equal(tokenizer.decode([]), '');
  assert.equal(tokenizer.decode([tokenizer.tokenId('<|im_end|>')!]), '');
});

test('a folder without a usable tokenizer is refused by name', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tokenizer-'));
  try {
    assert.throws(() => Tokenizer.load(folder), {
      code: 'INVALID_CHECKPOINT',
      message: /no tokenizer\.json/,
    });
    for (const broken of ['{', '{"model": {}}', '{"model": null, "added_tokens": []}']) {
      writeFileSync(join(folder, 'tokenizer.json'), broken);
      assert.throws(() => Tokenizer.load(folder), { code: 'INVALID_CHECKPOINT' }, broken);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
