// Choices on every family: their probabilities against a naive full forward of each, together against one by one in
// bits, and the answer that a session makes of them.
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { after, describe, test } from 'node:test';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { loadModel } from '../../src/engine/load-model.js';
import type { LoadedModel } from '../../src/engine/loaded-model.js';
import type { NativeResult } from '../../src/engine/native-engine.js';
import { AfterimageError } from '../../src/errors.js';
import { pixelIdentity } from '../../src/image/key.js';
import type { ImageInput } from '../../src/image/rgb-image.js';
import type { Message } from '../../src/prompt/message.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import { checkpointFolders } from '../goldens/checkpoints.js';

const CHOICES = ['yes', 'no', 'a red button', 'Zürich, 12:30'];
/** f64 sums over f32 logits on both sides. */
const TOLERANCE = 1e-4;

function picture(): ImageInput {
  const [width, height] = [56, 56];
  const image = {
    width,
    height,
    data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7) & 255),
  };
  return { ...pixelIdentity(image), pixels: async () => image };
}

const messages: Message[] = [systemMessage(), userMessage([picture()], 'Is it open?')];

async function run(
  model: LoadedModel,
  answer: readonly number[],
  choices: Int32Array[],
): Promise<NativeResult> {
  const prompt = await model.prompts.prepare(messages, answer);
  const wanted = { maxTokens: choices.length > 0 ? 0 : 1, lowPriority: false, choices };
  const { request, needed } = await model.admit(prompt, wanted);
  await model.encodeMissing(request, prompt, needed);
  const sampling = { ...model.sampling({}), captureLogits: choices.length === 0 };
  return model.native.generate(
    request,
    sampling,
    () => {},
    () => {},
  );
}

/** Every prefix of the choice is prefilled anew, and its last row read. */
async function naive(model: LoadedModel, choice: Int32Array): Promise<number[]> {
  const ends = [...model.sampling({}).stopIds];
  const result: number[] = [];
  for (let given = 0; given <= choice.length; given++) {
    model.native.clearMemory();
    const [logits] = (await run(model, [...choice.subarray(0, given)], [])).logits;
    const sum = logits!.reduce((total, logit) => total + Math.exp(logit), 0);
    const wanted = given < choice.length ? [choice[given]!] : ends;
    result.push(Math.log(wanted.reduce((total, id) => total + Math.exp(logits![id]!), 0) / sum));
  }
  return result;
}

for (const folder of checkpointFolders()) {
  describe(basename(folder), () => {
    test('choices equal a naive full forward, and together one by one', async () => {
      const model = await loadModel(
        { model: folder, precision: 'exact', kvType: 'f32', threads: 1 },
        () => {},
      );
      try {
        const tokens = await model.prompts.answers(CHOICES);
        const { choices } = await run(model, [], tokens);
        for (const [i, choice] of tokens.entries()) {
          const alone = await run(model, [], [choice]);
          assert.deepEqual([...alone.choices[0]!], [...choices[i]!]);
          const expected = await naive(model, choice);
          assert.equal(choices[i]!.length, expected.length);
          for (const [at, value] of expected.entries())
            assert.ok(
              Math.abs(value - choices[i]![at]!) < TOLERANCE,
              `${CHOICES[i]} ${at}: ${choices[i]![at]} not ${value}`,
            );
        }
      } finally {
        await model.close();
      }
    });
  });
}

describe('a session', () => {
  const engine = new LocalEngine({ threads: 1 });
  after(() => engine.close());

  test('answers with the most probable choice and says how probable each is', async () => {
    const { text, choices, stopReason, tokenIds } = await engine
      .open()
      .ask(messages, { choices: ['No.', 'Yes.'] });
    assert.deepEqual(
      choices?.map((choice) => choice.text),
      ['No.', 'Yes.'],
    );
    const best = choices![0]!.logProbability >= choices![1]!.logProbability ? 'No.' : 'Yes.';
    assert.deepEqual([text, stopReason], [best, 'end']);
    assert.ok(tokenIds.length + 1 === choices!.find((choice) => choice.text === best)!.tokens);
  });

  test('its answer in its own words is the choice that is most probable, as probable as it is sure of it', async () => {
    const free = await engine.open().ask(messages, { maxTokens: 12, certainty: true });
    assert.equal(free.stopReason, 'end');
    const { text, choices } = await engine.open().ask(messages, { choices: ['No.', free.text, 'A chart.'] });
    assert.equal(text, free.text);
    const said = free.certainty!.reduce((sum, { probability }) => sum + Math.log(probability), 0);
    const { logProbability } = choices!.find((choice) => choice.text === free.text)!;
    assert.ok(
      logProbability <= said + TOLERANCE && logProbability > said - 1,
      `${logProbability} and ${said}`,
    );
  });

  test('refuses a choice that is no text', async () => {
    for (const choice of ['', '<|im_end|>'])
      await assert.rejects(
        engine.open().ask(messages, { choices: ['yes', choice] }),
        (error: AfterimageError) => error.code === 'INVALID_ARGUMENT',
      );
  });

  test('is cancelled like any other question', async () => {
    const { stopReason, choices } = await engine
      .open()
      .ask(messages, { choices: ['yes', 'no'], signal: AbortSignal.abort() });
    assert.deepEqual([stopReason, choices], ['cancelled', undefined]);
  });
});
