// The model gets the read lines where the caller says so or where it was trained to answer from them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Call } from '../../src/ask/call.js';
import type { Picture } from '../../src/ask/conversations.js';
import { withReadings } from '../../src/ask/read.js';
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

test('in a message they stand behind their image and are marked', () => {
  const { content } = userMessage([input, input], 'What?', [undefined, 'Text:\n']);
  assert.deepEqual(
    content.map((part) => (part.type === 'text' ? [part.text, part.reading] : part.type)),
    ['image', 'image', ['Text:\n', true], ['What?', undefined]],
  );
});
