// How an answer is told while it is generated: whole and in order, and not token by token where tokens come faster than
// anybody sees them.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { loadModel } from '../../src/engine/load-model.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';

const TOKENS = 200;
/** Least time between two tellings. */
const PACE_MS = 20;
const checkpoint = new URL('../goldens/checkpoints/qwen3_vl', import.meta.url).pathname;

const model = await loadModel({ model: checkpoint, precision: 'exact' }, () => {});
after(() => model.close());

test('tokens that come fast are told together, and all of them before the answer is there', async () => {
  const prompt = await model.prompts.prepare([systemMessage(), userMessage([], 'Count.')]);
  const { request } = await model.admit(prompt, { maxTokens: TOKENS, lowPriority: false, choices: [] });
  const told: Int32Array[] = [];
  const reached: number[] = [];
  const begun = performance.now();
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
  const elapsed = performance.now() - begun;
  assert.equal(tokens.length, TOKENS);
  assert.deepEqual(
    told.flatMap((ids) => [...ids]),
    [...tokens],
  );
  assert.equal(told[0]!.length, 1, 'the first one at once');
  // Once at the beginning, once at the end, and between them at its pace, however fast the machine is.
  const most = 2 + elapsed / PACE_MS;
  assert.ok(told.length <= most, `told ${told.length} times in ${elapsed} ms`);
  assert.equal(reached.at(-1), TOKENS);
});
