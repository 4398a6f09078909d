// Hundreds of small pictures of all kinds against what Pillow reads in them, recorded once by many_pictures.py.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inflateSync } from 'node:zlib';
import { decode, DEFAULT_LIMITS, readHeader } from '../../src/image/decode.js';

interface Picture {
  name: string;
  file: string;
  size: [number, number];
  rgb: string;
  /** Deflated, where a difference is measured. */
  pixels?: string;
}

const { pictures } = JSON.parse(
  readFileSync(new URL('./fixtures/cases/many.json', import.meta.url), 'utf8'),
) as {
  pictures: Picture[];
};

/** Levels by which a picture may differ, and why; everything else is equal. */
const DIFFERENCES: [kind: RegExp, levels: number, why: string][] = [
  [/^avif\/42[02]/, 6, 'libheif repeats chroma samples, libavif, which Pillow uses, interpolates them'],
  [/^avif\//, 1, 'libheif and libavif round the conversion from YCbCr differently'],
];

test('there are at least 300', () => assert.ok(pictures.length >= 300));

for (const { name, file, size, rgb, pixels } of pictures) {
  const bytes = Buffer.from(file, 'base64');
  const [, levels = 0, why = 'equal'] = DIFFERENCES.find(([kind]) => kind.test(name)) ?? [];
  test(`${name}: ${why}`, async () => {
    const header = await readHeader(bytes, name);
    const { width, height, data } = await decode(bytes, name, DEFAULT_LIMITS, 'dropped');
    assert.deepEqual([width, height], size);
    assert.deepEqual([header.width, header.height], size);
    if (levels === 0) return assert.equal(createHash('sha256').update(data).digest('hex'), rgb);
    const expected = inflateSync(Buffer.from(pixels!, 'base64'));
    const most = data.reduce((found, value, at) => Math.max(found, Math.abs(value - expected[at]!)), 0);
    assert.ok(most <= levels, `${most} levels apart`);
  });
}
