// Hundreds of small pictures of all kinds against what Pillow reads in them, recorded once by many_pictures.py and
// more_pictures.py.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inflateSync } from 'node:zlib';
import { decode, readHeader } from '../../src/image/decode.js';
import { DEFAULT_LIMITS } from '../../src/image/limits.js';

interface Picture {
  name: string;
  file: string;
  size: [number, number];
  rgb: string;
  /** Deflated, where a difference is measured. */
  pixels?: string;
}

const pictures = ['many', 'more'].flatMap((name): Picture[] => {
  const file = readFileSync(new URL(`./fixtures/cases/${name}.json`, import.meta.url), 'utf8');
  return (JSON.parse(file) as { pictures: Picture[] }).pictures;
});

/** Levels by which a picture may differ, and why; everything else is equal. */
const DIFFERENCES: [kind: RegExp, levels: number, why: string][] = [
  [/^avif\/42[02]/, 6, 'libheif repeats chroma samples, libavif, which Pillow uses, interpolates them'],
  [/^tiff\/white_is_zero_16/, 255, 'Pillow does not invert 16 bits where zero is white'],
  [/^avif\//, 1, 'libheif and libavif round the conversion from YCbCr differently'],
];

/** What is refused by name though Pillow reads it, and why. */
const REFUSED: [kind: RegExp, why: string][] = [
  [/^tiff\/lab/, 'libvips reads no Lab samples of 8 bits'],
  [/^tiff\/tiled_planes/, 'libvips reads planes in strips, tiles only together'],
];

test('there are at least 450', () => assert.ok(pictures.length >= 450));

for (const { name, file, size, rgb, pixels } of pictures) {
  const bytes = Buffer.from(file, 'base64');
  const refused = REFUSED.find(([kind]) => kind.test(name));
  if (refused) {
    test(`${name}: ${refused[1]}`, () =>
      assert.rejects(decode(bytes, name), { code: 'IMAGE_UNSUPPORTED', message: /convert it to PNG/ }));
    continue;
  }
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
