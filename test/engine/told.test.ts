// How an answer is told while it is generated: whole and in order, and not token by token where tokens come faster than
// anybody sees them.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { loadModel } from '../../src/engine/load-model.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';

const TOKENS = 200;
const checkpoint = new URL('../goldens/checkpoints/qwen3_vl', import.meta.url).pathname;

const model = await loadModel({ model: checkpoint, precision: 'exact' }, () => {});
after(() => model.close());

test('tokens that come fast are told together, and all of them before the answer is there', async () => {
  const prompt = await model.prompts.prepare([systemMessage(), userMessage([], 'Count.')]);
  const { request } = await model.admit(prompt, { maxTokens: TOKENS, lowPriority: false, choices: [] });
  const told: Int32Array[] = [];
  const reached: number[] = [];
  const { tokens } = await model.native.generate(
    request,
    { ...model.sampling({}), stopIds: new Int32Array() },
    (ids) => told.push(ids),
    (stage, done, total) => {
      if (stage !== 'decode') return;
      assert.equal(total, TOKENS);
      assert.equal(done, told.flatMap((ids) => [...ids]).length, 'what is counted has been told');
      reached.push(done);
    },
  );
  assert.equal(tokens.length, TOKENS);
  assert.deepEqual(
    told.flatMap((ids) => [...ids]),
    [...tokens],
  );
  assert.equal(told[0]!.length, 1, 'the first one at once');
  assert.ok(told.length < TOKENS / 2, `told ${told.length} times`);
  assert.equal(reached.at(-1), TOKENS);
});
