// Merging word by word: the tokens of the library's own way, and no cut where a token reaches over the beginning of a word.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Tokenizer as HubTokenizer } from '@huggingface/tokenizers';
import { Tokenizer } from '../../src/prompt/tokenizer.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';

type Json = Record<string, unknown>;
const texts = JSON.parse(readFileSync(new URL('published/texts.json', import.meta.url), 'utf8')) as string[];

test('the tokens are those of the text as one word', () => {
  const read = (name: string): Json =>
    JSON.parse(readFileSync(join(CHECKPOINTS, 'llava_next', name), 'utf8')) as Json;
  const [tokenizer, config] = [read('tokenizer.json'), read('tokenizer_config.json')];
  const [ours, whole] = [new Tokenizer(tokenizer, config), new HubTokenizer(tokenizer, config)];
  for (const text of texts)
    assert.deepEqual(
      ours.encode(text),
      text ? whole.encode(text, { add_special_tokens: false }).ids : [],
      text,
    );
});

test('a token that reaches over the beginning of a word stays one', () => {
  const vocab = { '<unk>': 0, a: 1, '▁': 2, 'a▁': 3, b: 4, '▁b': 5 };
  const model = { type: 'BPE', vocab, unk_token: '<unk>', fuse_unk: false, byte_fallback: false };
  const normalizer = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const json = (merges: [string, string][]): Json => ({
    model: { ...model, merges },
    normalizer,
    ...{ pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] },
  });
  const across = new Tokenizer(json([['a', '▁']]), {});
  assert.deepEqual(across.encode('a b'), [3, 4]);
});
