// The model gets the read lines where the caller says so or where it was trained to answer from them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Call } from '../../src/ask/call.js';
import type { Picture } from '../../src/ask/conversations.js';
import { likelyText, withReadings } from '../../src/ask/read.js';
import { MOST_EXPECTED } from '../../src/engine/engine.js';
import { askOptions } from '../../src/engine/remote/messages.js';
import { AfterimageError } from '../../src/errors.js';
import { userMessage } from '../../src/prompt/layout.js';

const size = { width: 200, height: 100 };
const input = {
  ...size,
  pixelHash: '0'.repeat(64),
  pixels: () => Promise.reject(new Error('not looked at')),
};
const picture = { imageId: 'i', input, original: size, listed: true } as unknown as Picture;
const line = { text: 'Save', box: { x: 7, y: 50, width: 40, height: 12 }, confidence: 1, characters: [] };

function callTo(readsAlong: boolean): Call {
  return {
    engine: { ready: () => Promise.resolve({ readsAlong }) },
    reader: { read: () => Promise.resolve({ ...size, lines: [line], rows: [[0]] }) },
    signal: new AbortController().signal,
    deadline: Infinity,
    onProgress: () => {},
  } as unknown as Call;
}

for (const [readsAlong, wanted, given] of [
  [true, undefined, true],
  [true, false, false],
  [false, undefined, false],
  [false, true, true],
] as const) {
  test(`trained so: ${readsAlong}, asked for: ${wanted}`, async () => {
    const [read] = await withReadings(callTo(readsAlong), [picture], wanted);
    assert.equal(read!.reading?.written, given ? 'Text:\n3 50 Save\n' : undefined);
  });
}

const local = { identity: 'of weights', readsAlong: false };

function callOf(model: object, read: () => Promise<unknown>): Call {
  const call = callTo(false);
  return {
    ...call,
    engine: { ready: () => Promise.resolve(model) },
    reader: { read },
  } as unknown as Call;
}

test('an answer may repeat what is read in its pictures, unless the model is given it anyway or is elsewhere', async () => {
  let reads = 0;
  const read = (): Promise<unknown> => Promise.resolve(++reads && { ...size, lines: [line], rows: [[0]] });
  assert.equal(await likelyText(callOf(local, read), [picture, picture]), 'Save\nSave');
  assert.equal(reads, 2);
  assert.equal(await likelyText(callOf(local, read), [], [{ pictures: [picture], question: '' }]), 'Save');
  assert.equal(await likelyText(callOf(local, read), []), undefined);
  assert.equal(reads, 3);
  const given = { ...picture, reading: { written: '', lines: [] } };
  const frame = { ...picture, input: { ...input, moment: { at: 0 } } } as unknown as Picture;
  assert.equal(await likelyText(callOf(local, read), [given, frame]), undefined);
  assert.equal(await likelyText(callOf({ ...local, identity: undefined }, read), [picture]), undefined);
  assert.equal(reads, 3);
});

test('no more of it is handed on than an engine takes from others', async () => {
  const long = { ...line, text: 'x'.repeat(MOST_EXPECTED + 1) };
  const read = (): Promise<unknown> => Promise.resolve({ ...size, lines: [long], rows: [[0]] });
  const expected = await likelyText(callOf(local, read), [picture]);
  assert.equal(expected!.length, MOST_EXPECTED);
  assert.ok(askOptions.safeParse({ expected }).success);
  assert.ok(!askOptions.safeParse({ expected: long.text }).success);
});

test('a reader that fails takes no answer with it, and it is said', async () => {
  const fails = (): Promise<unknown> => Promise.reject(new AfterimageError('OUT_OF_MEMORY', 'No room.'));
  const warned = once(process, 'warning');
  assert.equal(await likelyText(callOf(local, fails), [picture]), undefined);
  const [warning] = await warned;
  assert.match(warning.message, /without guesses.* No room\./);
  assert.equal(warning.code, 'OUT_OF_MEMORY');
  const stopped = { ...callOf(local, fails), signal: AbortSignal.abort() };
  await assert.rejects(likelyText(stopped, [picture]));
});

test('in a message they stand behind their image and are marked', () => {
  const { content } = userMessage([input, input], 'What?', [undefined, 'Text:\n']);
  assert.deepEqual(
    content.map((part) => (part.type === 'text' ? [part.text, part.reading] : part.type)),
    ['image', 'image', ['Text:\n', true], ['What?', undefined]],
  );
});
