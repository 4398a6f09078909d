// Pictures of which something is unusual: each has the pixels that Pillow gives it, or a reason why not.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { composed, type Colour } from '../../src/image/alpha.js';
import { bmpHeader, decodeBmp } from '../../src/image/bmp.js';
import { decode, readHeader } from '../../src/image/decode.js';
import { DEFAULT_LIMITS } from '../../src/image/limits.js';

const file = (name: string) => readFileSync(new URL(`./fixtures/cases/${name}`, import.meta.url));
interface Expected {
  size: [number, number];
  rgb_sha256: string;
  first_pixel: [number, number, number];
}
const { images } = JSON.parse(file('expected.json').toString()) as { images: Record<string, Expected> };
const hash = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

/** What is not read as recorded, and why. */
const OTHERWISE: Record<string, { why: string; rgb_sha256?: string }> = {
  ...Object.fromEntries(
    ['avif', 'avif_anim', 'ui_420'].map((name) => [
      `avif/${name}.avif`,
      { why: 'chroma of 4:2:0 is repeated, not interpolated (many-pictures.test.ts measures by how much)' },
    ]),
  ),
  'transparent/white_on_transparent.png': {
    why: 'white on white shows nothing, so it is laid on black, where it can be read',
    rgb_sha256: '2f735d05f0b26b1430fe8e6dca4fd7af977c8e41cc17e0ff74e25287dc4b3fa6',
  },
};

for (const [name, { size, rgb_sha256, first_pixel }] of Object.entries(images)) {
  const other = OTHERWISE[name];
  test(`${name} reads as recorded${other ? `, but: ${other.why}` : ''}`, async () => {
    const header = await readHeader(file(name), name);
    const { width, height, data } = await decode(file(name), name);
    assert.deepEqual([width, height], size);
    assert.deepEqual([header.width, header.height], size);
    if (!other) return assert.equal(hash(data), rgb_sha256);
    if (other.rgb_sha256) return assert.equal(hash(data), other.rgb_sha256);
    first_pixel.forEach((value, channel) => assert.ok(Math.abs(data[channel]! - value) <= 2));
  });
}

test('white on white, as it is recorded, shows nothing; on black all of it', async () => {
  const name = 'transparent/white_on_transparent.png';
  const { data, info } = await sharp(file(name)).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const onWhite = new Uint8Array(info.width * info.height * 3).fill(255);
  assert.equal(hash(onWhite), images[name]!.rgb_sha256);
  const { data: seen } = await decode(file(name), name);
  for (let at = 0; at < info.width * info.height; at++) assert.equal(seen[3 * at], data[4 * at + 3]);
});

describe('transparent pictures', () => {
  /** A bar of `colour` across a transparent picture, its edges half transparent. */
  const bar = (colour: Colour, other = colour) => {
    const data = new Uint8Array(16 * 12 * 4);
    for (let y = 4; y < 8; y++) {
      for (let x = 2; x < 14; x++) {
        const alpha = x === 2 || x === 13 ? 128 : 255;
        data.set([...(x < 8 ? colour : other), alpha], (y * 16 + x) * 4);
      }
    }
    return { width: 16, height: 12, data };
  };
  const corner = (image: { data: Uint8Array }) => [...image.data.subarray(0, 3)];

  for (const [what, colour, other, behind] of [
    ['black', [0, 0, 0], undefined, 255],
    ['blue', [0, 0, 200], undefined, 255],
    ['middle grey', [128, 128, 128], undefined, 255],
    ['white', [255, 255, 255], undefined, 0],
    ['light yellow', [255, 255, 200], undefined, 0],
    ['black and white', [0, 0, 0], [255, 255, 255], 128],
  ] as [string, Colour, Colour | undefined, number][]) {
    test(`${what} lies on ${behind}`, () => {
      const image = composed(bar(colour, other));
      assert.deepEqual(corner(image), [behind, behind, behind]);
      const middle = (5 * 16 + 5) * 3;
      assert.deepEqual([...image.data.subarray(middle, middle + 3)], colour);
    });
  }

  test("a file's own colour is taken where it shows the picture", () => {
    assert.deepEqual(corner(composed(bar([0, 0, 0]), [180, 90, 240])), [180, 90, 240]);
    assert.deepEqual(corner(composed(bar([0, 0, 0]), [10, 0, 0])), [255, 255, 255]);
  });

  test('an empty alpha channel means nothing, and a full one neither', () => {
    const image = bar([9, 8, 7]);
    const opaque = { ...image, data: image.data.map((value, at) => (at % 4 === 3 ? 255 : value)) };
    const empty = { ...image, data: image.data.map((value, at) => (at % 4 === 3 ? 0 : value)) };
    assert.deepEqual(composed(empty).data, composed(opaque).data);
    assert.deepEqual(corner(composed(empty)), [0, 0, 0]);
  });

  test('half-transparent pixels are mixed and rounded', () => {
    const image = composed({
      width: 3,
      height: 1,
      data: Uint8Array.of(10, 20, 30, 100, 0, 0, 0, 255, 0, 0, 0, 0),
    });
    assert.deepEqual([...image.data], [159, 163, 167, 0, 0, 0, 255, 255, 255]);
  });

  test('the reference drops alpha where it is asked to', async () => {
    const png = await sharp(Buffer.from([255, 0, 0, 0, 0, 255, 0, 255]), {
      raw: { width: 2, height: 1, channels: 4 },
    })
      .png()
      .toBuffer();
    assert.deepEqual([...(await decode(png, 'a', DEFAULT_LIMITS, 'dropped')).data], [255, 0, 0, 0, 255, 0]);
    assert.deepEqual([...(await decode(png, 'a')).data], [255, 255, 255, 0, 255, 0]);
  });
});

describe('BMP', () => {
  const bmp = file('bmp/rgb24.bmp');

  test('what is missing or unknown is said', async () => {
    for (const [bytes, message] of [
      [bmp.subarray(0, 20), /header is cut off/],
      [bmp.subarray(0, bmp.length - 400), /bytes of its pixels are missing/],
      [Buffer.from(bmp).fill(7, 28, 29), /7 bits a pixel/],
      [Buffer.from(bmp).fill(0, 18, 22), /0 × 24 pixels/],
    ] as [Buffer, RegExp][]) {
      assert.throws(() => decodeBmp(bytes), { name: 'RangeError', message });
      const code = /known|bits/.test(message.source) ? 'IMAGE_UNSUPPORTED' : 'IMAGE_UNREADABLE';
      await assert.rejects(decode(bytes, 'The file'), { code });
    }
  });

  test('a header that promises too much is refused before anything is kept ready for it', async () => {
    const bomb = Buffer.from(bmp);
    bomb.writeInt32LE(2 ** 30, 18);
    bomb.writeInt32LE(2 ** 30, 22);
    await assert.rejects(decode(bomb, 'The file'), { code: 'IMAGE_TOO_LARGE' });
  });

  test('random damage never crashes', () => {
    let state = 9;
    const next = (below: number) => (state = (state * 48271) % 2147483647) % below;
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(bmp);
      for (let i = 0; i < 6; i++) bytes[next(60)] = next(256);
      try {
        const header = bmpHeader(bytes);
        if (header.width * header.height < 1e6) decodeBmp(bytes, header);
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
      }
    }
  });
});

test('a PNG whose image data is incomplete stays refused, whatever its checksums', async () => {
  const png = file('png/png_noadler.png');
  await assert.rejects(decode(png.subarray(0, png.length - 200), 'The file'), { code: 'IMAGE_UNREADABLE' });
});
