import assert from 'node:assert/strict';
import { test } from 'node:test';
import { thoughtBegun, Thoughts } from '../../src/prompt/thoughts.js';

/** However the text is cut into pieces. */
function split(text: string, mark?: string): [thought: string, said: string] {
  const results = [1, 2, 3, 7, text.length].map((size) => {
    const thoughts = new Thoughts(mark);
    let [thought, said] = ['', ''];
    const take = (part: { thought: string; said: string }): void => {
      thought += part.thought;
      said += part.said;
    };
    for (let at = 0; at < text.length; at += size) take(thoughts.push(text.slice(at, at + size)));
    take(thoughts.end());
    return [thought, said] as [string, string];
  });
  for (const result of results) assert.deepEqual(result, results[0]);
  return results[0]!;
}

test('thoughts are told from the answer, however they come', () => {
  assert.deepEqual(split('<think>\nA login.\n</think>\n\nA form.'), ['\nA login.\n', 'A form.']);
  assert.deepEqual(split('◁think▷So.◁/think▷ A form.'), ['So.', 'A form.']);
  assert.deepEqual(split(' \n<think></think>Yes'), ['', 'Yes']);
  assert.deepEqual(split('<think>for ever'), ['for ever', '']);
});

test('a prompt may have begun the thought', () => {
  assert.equal(thoughtBegun('<|im_start|>assistant\n<think>\n'), '</think>');
  assert.equal(thoughtBegun('assistant\n<think>\n\n</think>\n\n'), undefined);
  assert.equal(thoughtBegun('assistant\n'), undefined);
  assert.deepEqual(split('So.</think>\n\nYes', '</think>'), ['So.', 'Yes']);
});

test('an answer that only looks like a thought, or speaks of one, is an answer', () => {
  for (const text of ['<thing>', '<', ' <th', 'Use <think> here', 'a</think>b', '', ' \n'])
    assert.deepEqual(split(text), ['', text]);
});
