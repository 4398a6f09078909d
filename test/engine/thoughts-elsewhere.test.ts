// Thoughts of models elsewhere: some servers tell them apart, others send them as text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerStream } from '../../src/engine/completions/answer-stream.js';
import type { Answer } from '../../src/engine/engine.js';
import { chunk, completion } from '../../src/http/chat-reply.js';

function heard(deltas: object[]): { answer: Answer; shown: string; thought: string } {
  let [shown, thought] = ['', ''];
  const stream = new AnswerStream(
    { onText: (text) => (shown += text), onThought: (text) => (thought += text) },
    false,
  );
  for (const delta of deltas) stream.push({ choices: [{ delta }] });
  stream.push({ choices: [{ delta: {}, finish_reason: 'stop' }] });
  return { answer: stream.end([]), shown, thought };
}

test('thoughts in the text are told apart', () => {
  const pieces = ['<thi', 'nk>\nA form', '.</think', '>\n\nA ', 'login.'];
  const { answer, shown, thought } = heard(pieces.map((content) => ({ content })));
  assert.deepEqual([answer.text, answer.thinking], ['A login.', 'A form.']);
  assert.deepEqual([shown, thought], ['A login.', '\nA form.']);
});

test('thoughts that a server tells apart stay so', () => {
  for (const key of ['reasoning_content', 'reasoning']) {
    const { answer } = heard([{ [key]: 'A form.' }, { content: 'A login.' }]);
    assert.deepEqual([answer.text, answer.thinking], ['A login.', 'A form.']);
  }
  const { answer } = heard([{ content: 'A <b>' }]);
  assert.deepEqual([answer.text, 'thinking' in answer], ['A <b>', false]);
});

test('chat completions have them beside the content', () => {
  const heading = { id: 'x', created: 0, model: 'm' };
  const { answer } = heard([{ content: '<think>Hm.</think>Yes' }]);
  const { message } = completion(heading, answer, false).choices[0]!;
  assert.deepEqual(message, {
    role: 'assistant',
    content: 'Yes',
    reasoning_content: 'Hm.',
    refusal: null,
  });
  assert.deepEqual(chunk(heading, { reasoning_content: 'Hm' }).choices[0]!.delta, {
    reasoning_content: 'Hm',
  });
});
