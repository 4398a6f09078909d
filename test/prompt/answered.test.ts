// How an answer begins, by templates of the kinds that there are, and in the ids of a checkpoint whose template writes a
// blank before it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openModel } from '../../src/models/registry.js';
import { ANSWERED, leadOf } from '../../src/prompt/answered.js';
import { PromptBuilder } from '../../src/prompt/prompt.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';

test('the blank before an answer is what a template writes between the prompt and the answer', () => {
  assert.equal(leadOf('User: Q\nAssistant:', 'User: Q\nAssistant: A<end>\n'), ' ');
  assert.equal(leadOf('<user>Q<end>\n<model>\n', '<user>Q<end>\n<model>\nA<end>\n'), '');
  assert.equal(
    leadOf('[Q]<model>\n<think>\n\n</think>\n\n', '[Q]<model>\nA<end>'),
    '',
    'written in another way',
  );
  assert.equal(leadOf('Q', 'Q<model>A'), '', 'no blank alone stands between them');
});

test('a choice is encoded with that blank', () => {
  const folder = join(CHECKPOINTS, 'smolvlm');
  const prompts = PromptBuilder.load({ folder }, openModel(folder).model);
  const [ids] = prompts.answerIds(['no'], prompts.renderHere(ANSWERED));
  assert.deepEqual(ids, prompts.tokenizer.encode(' no'));
  assert.notDeepEqual(ids, prompts.tokenizer.encode('no'));
});
