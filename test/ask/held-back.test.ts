// What a model of our own is unsure of, or quotes without its having been read, is left out; also of one that lies elsewhere.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, type Call } from '../../src/ask/call.js';
import { Conversations, type Picture } from '../../src/ask/conversations.js';
import { NOTHING_DONE, type Answer, type AskOptions, type Engine } from '../../src/engine/engine.js';
import type { Message } from '../../src/prompt/message.js';

const ANSWER = 'button "Save"\nbutton "Ghost"\nfield "Sav';
const size = { width: 64, height: 64 };
const mark = { role: 'checkbox', states: ['checked'], lead: 5, margins: {} };
const box = { x: 4, y: 10, width: 40, height: 12 };
const picture = {
  imageId: 'i',
  input: { ...size, pixelHash: '0'.repeat(64), pixels: () => Promise.reject(new Error('not looked at')) },
  original: size,
  listed: true,
  reading: { written: 'Elements, light:\n', lines: [{ text: 'Save', box, mark }] },
} as unknown as Picture;

/** Answers one token a character; the third statement's are improbable. */
function engineOf(model: { bundled: boolean; readsAlong: boolean }, asked: Message[][]): Engine {
  const answer = (messages: Message[], { certainty }: AskOptions = {}): Promise<Answer> => {
    asked.push(messages);
    const sure = (at: number) => (at > ANSWER.lastIndexOf('\n') ? 0.1 : 0.9);
    const ends = [...ANSWER].map((_, at) => ({ end: at + 1, probability: sure(at) }));
    return Promise.resolve({
      ...{ text: ANSWER, tokenIds: [], stopReason: 'end', cache: NOTHING_DONE, decodeMs: 1, viewed: [] },
      ...(certainty && { certainty: ends }),
    } as Answer);
  };
  return {
    ready: () => Promise.resolve({ name: 'm', backend: 'none', boxes: null, ...model }),
    warm: () => Promise.resolve(),
    open: () => ({ id: 's', ask: answer, close: () => {} }),
  } as unknown as Engine;
}

async function said(model: { bundled: boolean; readsAlong: boolean }): Promise<[string, string]> {
  const asked: Message[][] = [];
  const conversations = new Conversations();
  const call = {
    ...{ engine: engineOf(model, asked), conversations, onProgress: () => {}, deadline: Infinity },
    signal: new AbortController().signal,
  } as unknown as Call;
  const turn = { pictures: [picture], question: 'Which?' };
  const { text } = await ask(call, conversations.start(), { turn, maxTokens: 99, states: true });
  const choosing = { turn: { ...turn, choices: ['a', 'b'] }, maxTokens: 9, states: true };
  await ask(call, conversations.start(), choosing);
  const question = asked[1]!.at(-1)!.content.at(-1)!;
  return [text, question.type === 'text' ? question.text : ''];
}

for (const model of [
  { bundled: true, readsAlong: true },
  { bundled: false, readsAlong: true },
]) {
  test(`trained to answer from read lines, bundled: ${model.bundled}`, async () => {
    assert.deepEqual(await said(model), ['checkbox "Save", checked', 'Which?']);
  });
}

test('any other says what it says, and is told between what it chooses', async () => {
  const [text, question] = await said({ bundled: false, readsAlong: false });
  assert.equal(text, ANSWER);
  assert.match(question, /^Which\?.*a.*b/s);
});

test('a whole description says what it left out too, one that is not or that was cut does not, nor does another model', async () => {
  const cancel = { text: 'Cancel', box: { ...box, y: 40 }, mark: { ...mark, role: 'button', states: [] } };
  const lines = [...picture.reading!.lines, cancel];
  const shown = { ...picture, reading: { written: 'Elements, light:\n', lines } };
  const describe = async (ours: boolean, whole: boolean, stopReason = 'end', maxTokens = 99) => {
    const conversations = new Conversations();
    const engine = engineOf({ bundled: ours, readsAlong: ours }, []);
    const open = engine.open.bind(engine);
    const asks = (messages: Message[], options?: AskOptions) => open().ask(messages, options);
    const ends = async (...args: Parameters<typeof asks>) =>
      ({ ...(await asks(...args)), stopReason }) as Answer;
    const call = {
      ...{ engine: { ...engine, open: () => ({ id: 's', ask: ends, close: () => {} }) }, conversations },
      ...{ onProgress: () => {}, deadline: Infinity, signal: new AbortController().signal },
    } as unknown as Call;
    const turn = { pictures: [shown], question: 'Describe.' };
    return (await ask(call, conversations.start(), { turn, maxTokens, states: true, whole })).text;
  };
  assert.equal(await describe(true, true), 'checkbox "Save", checked\nbutton "Cancel"');
  assert.equal(await describe(true, false), 'checkbox "Save", checked');
  assert.equal(await describe(true, true, 'length'), 'checkbox "Save", checked');
  assert.equal(await describe(true, true, 'end', 3), 'checkbox "Save", checked', 'no room');
  assert.equal(await describe(false, true), ANSWER);
});

test('a model that has said nothing yet is not unsure', async () => {
  const conversations = new Conversations();
  const call = {
    ...{ engine: engineOf({ bundled: true, readsAlong: true }, []), conversations, onProgress: () => {} },
    ...{ deadline: 0, signal: new AbortController().signal },
  } as unknown as Call;
  const { text, stopReason } = await ask(call, conversations.start(), {
    turn: { pictures: [picture], question: 'Which?' },
    maxTokens: 99,
    states: true,
  });
  assert.deepEqual([text, stopReason], ['', 'deadline']);
});
