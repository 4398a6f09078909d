// A checkpoint whose template begins every answer with a thought.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { LocalEngine } from '../../src/engine/local-engine.js';
import type { Message } from '../../src/prompt/message.js';
import { withoutCore } from '../models/read-back.js';
import { thinker } from './thinker.js';

const skip = withoutCore();
const engine = skip ? undefined! : new LocalEngine({ model: thinker(), precision: 'exact' });
after(() => engine?.close());
const asked: Message[] = [{ role: 'user', content: [{ type: 'text', text: 'What is it?' }] }];

test('thoughts are kept apart, have room of their own and end', { skip }, async () => {
  const [shown, thoughts]: [string[], string[]] = [[], []];
  const answer = await engine.open().ask(asked, {
    maxTokens: 5,
    thinkingTokens: 6,
    onText: (text) => shown.push(text),
    onThought: (text) => thoughts.push(text),
  });
  assert.ok(answer.thinking);
  assert.equal(thoughts.join('').trim(), answer.thinking);
  assert.equal(shown.join(''), answer.text);
  assert.doesNotMatch(answer.text, /think>/);
  assert.ok(answer.tokenIds.length > 11, 'six of the thought, those that end it, five of the answer');
  assert.equal(answer.stopReason, 'length');
  // The same tokens as the start of an answer: what follows is what followed.
  const closed = answer.tokenIds.slice(0, -5);
  const again = await engine.open().ask(asked, { maxTokens: 5, continues: { text: '', tokenIds: closed } });
  assert.deepEqual(again.tokenIds, answer.tokenIds);
  assert.equal(again.text, answer.text);
  assert.equal(again.thinking, answer.thinking);
});

test('a cut answer goes on where it stopped', { skip }, async () => {
  const options = { thinkingTokens: 6 };
  const whole = await engine.open().ask(asked, { ...options, maxTokens: 9 });
  const cut = await engine.open().ask(asked, { ...options, maxTokens: 4 });
  const rest = await engine.open().ask(asked, { ...options, maxTokens: 5, continues: cut });
  assert.deepEqual(rest.tokenIds, whole.tokenIds);
  assert.equal(rest.text, whole.text);
});

test('an answer by a schema or among choices does not wait for thoughts', { skip }, async () => {
  const schema = { enum: ['yes', 'no'] };
  const answer = await engine.open().ask(asked, { schema, maxTokens: 20 });
  assert.ok(['"yes"', '"no"'].includes(answer.text), answer.text);
  assert.equal(answer.thinking, undefined);
  const { text, choices } = await engine.open().ask(asked, { choices: ['red', 'blue'] });
  assert.ok(['red', 'blue'].includes(text));
  assert.equal(choices?.length, 2);
});
