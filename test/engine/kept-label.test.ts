// What files on disk say about their picture: bounded, read back as written, and nothing where there is no label.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelOf, readLabel } from '../../src/engine/kept-label.js';

const image = (name?: string) => ({
  pixelHash: 'a'.repeat(64),
  width: 1280,
  height: 800,
  ...(name !== undefined && { name }),
  pixels: () => assert.fail('nobody needs them'),
});
const bare = { model: 'starter', image_id: `img_${'a'.repeat(32)}`, width: 1280, height: 800 };

test('a label says model, size and name, and is read back', () => {
  assert.deepEqual(readLabel(labelOf('starter', image())), bare);
  assert.deepEqual(readLabel(labelOf('starter', image('/a/b c.png'))), { ...bare, name: '/a/b c.png' });
});

for (const [what, name] of [
  ['a long name', '/a/'.repeat(2000)],
  ['a long name of other letters', '漢'.repeat(300)],
  ['pairs of surrogates', '😀'.repeat(300)],
  ['halves of surrogates', '\ud83d'.repeat(300)],
  ['line breaks and quotes', '"\n'.repeat(150)],
] as const) {
  test(`${what} fits, its end kept`, () => {
    const label = labelOf('m'.repeat(500), image(`${name}login.png`));
    assert.ok(Buffer.byteLength(label) <= 512, `${Buffer.byteLength(label)} bytes`);
    assert.match(readLabel(label)!.name!, /login\.png$/);
  });
}

test('what is no label is none', () => {
  for (const text of [
    undefined,
    '',
    'x',
    '{',
    'null',
    '[]',
    '{"model":"m"}',
    JSON.stringify({ ...bare, width: '9' }),
  ])
    assert.equal(readLabel(text), undefined, text);
});
