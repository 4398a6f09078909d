// What an answer is guessed from beside its pictures: the last one to the same question, of the same model, in the same room.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Answered } from '../../src/ask/answered.js';
import { ask, type Call } from '../../src/ask/call.js';
import { Conversations, type Turn } from '../../src/ask/conversations.js';
import { MOST_EXPECTED, NOTHING_DONE, type AskOptions, type ModelInfo } from '../../src/engine/engine.js';
import { askOptions } from '../../src/engine/remote/messages.js';
import type { Message } from '../../src/prompt/message.js';

const local = { name: 'm', identity: 'of weights' } as ModelInfo;

/** A room whose model says `tokens`, and what its answers were guessed from. */
function room() {
  const guessedFrom: (readonly number[] | undefined)[] = [];
  const model = { said: { tokenIds: [1] as number[] } as object, info: local };
  const session = {
    ask: (_: Message[], { repeats }: AskOptions) => {
      guessedFrom.push(repeats);
      const done = { text: 'said', stopReason: 'end', cache: NOTHING_DONE, viewed: [], decodeMs: 0 };
      return Promise.resolve({ ...done, ...model.said });
    },
    close: () => {},
  };
  const conversations = new Conversations();
  const call = {
    engine: { ready: () => Promise.resolve(model.info), open: () => session },
    conversations,
    answered: new Answered(),
    signal: new AbortController().signal,
    deadline: Infinity,
    onProgress: () => {},
  } as unknown as Call;
  const put = (turn: Partial<Turn> = {}) =>
    ask(call, conversations.start(), {
      turn: { pictures: [], question: 'What is it?', ...turn },
      maxTokens: 9,
    });
  return { model, guessedFrom, put, end: () => conversations.close() };
}

test('an answer is guessed from the last one to the same question', async () => {
  const { model, guessedFrom, put, end } = room();
  await put();
  await put({ question: 'What else?' });
  model.said = { tokenIds: [2, 3] };
  await put();
  await put();
  model.said = { tokenIds: [4], text: '"said"', whole: true };
  await put({ schema: { type: 'string' } });
  await put({ schema: { type: 'string' } });
  await put({ schema: { type: 'string', maxLength: 9 } });
  end();
  assert.deepEqual(guessedFrom, [undefined, undefined, [1], [2, 3], undefined, [4], undefined]);
});

test('choices leave nothing behind, and no room or model knows what another said', async () => {
  const { model, guessedFrom, put, end } = room();
  model.said = { tokenIds: [], text: 'yes', choices: [{ text: 'yes', probability: 1, plain: 1 }] };
  await put({ choices: ['yes', 'no'] });
  model.said = { tokenIds: [1] };
  await put();
  model.info = { ...local, identity: 'of others' };
  await put();
  end();
  const other = room();
  await other.put();
  other.end();
  assert.deepEqual([...guessedFrom, ...other.guessedFrom], [undefined, undefined, undefined, undefined]);
});

test('where the model is elsewhere, nothing is guessed', async () => {
  const { model, guessedFrom, put, end } = room();
  model.info = { ...local, identity: undefined };
  await put();
  await put();
  end();
  assert.deepEqual(guessedFrom, [undefined, undefined]);
});

test('of a long answer only the beginning is kept, and an engine takes no more', async () => {
  const { model, guessedFrom, put, end } = room();
  model.said = { tokenIds: Array.from({ length: MOST_EXPECTED }, (_, id) => id) };
  await put();
  await put();
  end();
  const repeats = guessedFrom[1]!;
  assert.deepEqual([repeats.length, repeats.at(-1)], [MOST_EXPECTED / 4, MOST_EXPECTED / 4 - 1]);
  assert.ok(askOptions.safeParse({ repeats }).success);
  assert.ok(!askOptions.safeParse({ repeats: Array<number>(MOST_EXPECTED + 1).fill(0) }).success);
});

test('long questions push out earlier ones, and one that is too long is not kept', () => {
  const answered = new Answered();
  const long = 'x'.repeat(1 << 20);
  answered.keep(local, { question: 'first' }, [1]);
  answered.keep(local, { question: `${long}a` }, [2]);
  assert.deepEqual(answered.to(local, { question: 'first' }), [1]);
  answered.keep(local, { question: `${long}b` }, [3]);
  assert.equal(answered.to(local, { question: `${long}a` }), undefined);
  answered.keep(local, { question: long + long }, [4]);
  assert.equal(answered.to(local, { question: long + long }), undefined);
  assert.deepEqual(answered.to(local, { question: `${long}b` }), [3]);
});
