// --image-tokens: a family that has a choice of budgets takes the ones it was trained with; the others say so.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { chosenProcessor } from '../../src/engine/chosen-processor.js';
import { openModel } from '../../src/models/registry.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';

const model = (name: string) => openModel(join(CHECKPOINTS, name)).model;

test('a larger budget shows more, under a key of its own', () => {
  const whole = model('gemma4');
  const large = chosenProcessor(whole, { imageTokens: 1120 });
  const tokens = large.plan(1920, 1080).tokens;
  assert.ok(tokens > 1000 && tokens <= 1120, String(tokens));
  assert.ok(whole.processor.plan(1920, 1080).tokens <= 70);
  assert.notEqual(large.identity, whole.processor.identity);
});

test('what a family does not offer is refused with what it does', () => {
  const refused = (name: string) => () => chosenProcessor(model(name), { imageTokens: 300 });
  assert.throws(refused('gemma4'), { code: 'INVALID_ARGUMENT', message: /give 70, 140, 280, 560 or 1120/ });
  assert.throws(refused('qwen3_vl'), { code: 'INVALID_ARGUMENT', message: /leave it out; --max-pixels/ });
});
