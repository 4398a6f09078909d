// Templates that leave the first token to the tokenizer: its post-processor says which that is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Tokenizer } from '../../src/prompt/tokenizer.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';

const file = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(CHECKPOINTS, name, 'tokenizer.json'), 'utf8')) as Record<string, unknown>;

test('the first token is read from the post-processor, also as a step of a sequence', () => {
  const llava = file('llava_clip');
  const begin = (postProcessor: unknown) =>
    new Tokenizer({ ...llava, post_processor: postProcessor }, {}).begin;
  assert.equal(begin(llava['post_processor']), '<s>');
  assert.equal(begin({ type: 'Sequence', processors: [llava['post_processor']] }), '<s>');
  assert.equal(begin(null), '');
});
