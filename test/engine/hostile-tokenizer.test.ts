// Tokenizers whose patterns take for ever: the question ends with a code, and meanwhile and afterwards everything else
// goes on.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import { SMALL_MODEL } from '../soak/small-model.js';

const root = mkdtempSync(join(tmpdir(), 'afterimage-hostile-tokenizer-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** Doubles its work with every further sign. */
const ENDLESS = { Regex: '(z|z)*!' };
const TRAP = 'z'.repeat(40);

type Json = Record<string, unknown>;

function modelWith(change: (tokenizer: Json) => Json): string {
  const folder = mkdtempSync(join(root, 'model-'));
  cpSync(SMALL_MODEL, folder, { recursive: true });
  const file = join(folder, 'tokenizer.json');
  const sound = JSON.parse(readFileSync(file, 'utf8')) as Json;
  writeFileSync(file, JSON.stringify({ ...sound, ...change(sound) }));
  return folder;
}

const asked = (text: string) => [systemMessage(), userMessage([], text)];

const PLACES: Record<string, (tokenizer: Json) => Json> = {
  normalizer: () => ({ normalizer: { type: 'Replace', pattern: ENDLESS, content: '' } }),
  'pre-tokenizer': ({ pre_tokenizer: sound }) => ({
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [{ type: 'Split', pattern: ENDLESS, behavior: 'Isolated', invert: false }, sound],
    },
  }),
};

describe('a pattern that never ends', () => {
  for (const [place, change] of Object.entries(PLACES)) {
    test(`in a ${place} ends its question alone`, { timeout: 120_000 }, async () => {
      const [hostile, honest] = [
        new LocalEngine({ model: modelWith(change), threads: 1 }),
        new LocalEngine({ model: SMALL_MODEL, threads: 1 }),
      ];
      await hostile.open().ask(asked('What?'), { maxTokens: 1 });
      const trapped = assert.rejects(hostile.open().ask(asked(TRAP), { maxTokens: 1 }), {
        code: 'INVALID_CHECKPOINT',
        message: /longer than they should/,
      });
      let turns = 0;
      for (let done = false; !done; turns++)
        done = await Promise.race([trapped.then(() => true), sleep(20).then(() => false)]);
      assert.ok(turns > 20, `the event loop turned ${turns} times`);
      for (const engine of [honest, hostile]) {
        const answer = await engine.open().ask(asked('What?'), { maxTokens: 1 });
        assert.equal(answer.tokenIds.length, 1);
        await engine.close();
      }
    });
  }

  test('in a decoder ends its answer alone', { timeout: 120_000 }, async () => {
    const decoder = (sound: Json) => ({
      decoder: {
        type: 'Sequence',
        decoders: [
          sound['decoder'],
          { type: 'Replace', pattern: { Regex: '^' }, content: TRAP },
          { type: 'Replace', pattern: ENDLESS, content: '' },
        ],
      },
    });
    const engine = new LocalEngine({ model: modelWith(decoder), threads: 1 });
    await assert.rejects(engine.open().ask(asked('What?'), { maxTokens: 8 }), {
      code: 'INVALID_CHECKPOINT',
    });
    await engine.close();
  });
});

test('a tokenizer that is another one when its thread must begin anew is noticed', async () => {
  const folder = modelWith(PLACES['normalizer']!);
  const engine = new LocalEngine({ model: folder, threads: 1 });
  await engine.open().ask(asked('What?'), { maxTokens: 1 });
  cpSync(join(SMALL_MODEL, 'tokenizer.json'), join(folder, 'tokenizer.json'));
  await assert.rejects(engine.open().ask(asked(TRAP), { maxTokens: 1 }), { code: 'INVALID_CHECKPOINT' });
  await assert.rejects(engine.open().ask(asked('What?'), { maxTokens: 1 }), { code: 'MODEL_CHANGED' });
  await engine.close();
});
