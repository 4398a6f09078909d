import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { decode, readHeader } from '../../src/image/decode.js';
import { DEFAULT_LIMITS } from '../../src/image/limits.js';
import { encode, noise, pngBomb, png16, readFixture, readPng } from './pictures.js';

interface DecodeCase {
  input: string;
  width: number;
  height: number;
  rgb: string;
  lossless: boolean;
}

for (const { input, width, height, rgb } of JSON.parse(
  readFixture('decode/decode.json').toString(),
) as DecodeCase[]) {
  // JPEG may differ by a few levels between decoders; with the one that sharp brings it does not.
  test(`${input} decodes to the recorded pixels`, async () => {
    const header = await readHeader(readFixture(`decode/${input}`), input);
    const image = await decode(readFixture(`decode/${input}`), input, DEFAULT_LIMITS, 'dropped');
    assert.deepEqual(
      [header.width, header.height, image.width, image.height],
      [width, height, width, height],
    );
    assert.deepEqual(Buffer.from(image.data), Buffer.from((await readPng(`decode/${rgb}`)).data));
  });
}

for (const format of ['png', 'jpeg', 'webp', 'gif', 'avif', 'tiff'] as const) {
  test(`${format} is known by its bytes and decodes`, async () => {
    const bytes = await encode(noise(30, 20), format);
    const header = await readHeader(bytes, 'picture.txt');
    assert.equal(header.format, format);
    const image = await decode(bytes, 'picture.txt');
    assert.deepEqual([image.width, image.height, image.data.length], [30, 20, 1800]);
  });
}

test('16-bit grey clips, with or without a colour key; 16-bit colour and grey with alpha keep their high byte', async () => {
  const samples = Uint16Array.from({ length: 24 }, (_, i) => i * 2700);
  const clipped = [...samples].flatMap((v) => [Math.min(v, 255), Math.min(v, 255), Math.min(v, 255)]);
  assert.deepEqual([...(await decode(png16(6, 4, 0, samples), 'g')).data], clipped);
  assert.deepEqual([...(await decode(png16(6, 4, 0, samples, 2700), 'keyed')).data], clipped);
  assert.deepEqual(
    [...(await decode(png16(2, 4, 2, samples), 'rgb')).data],
    [...samples].map((v) => v >> 8),
  );
  const grey = [...samples].filter((_, i) => i % 2 === 0).flatMap((v) => [v >> 8, v >> 8, v >> 8]);
  assert.deepEqual([...(await decode(png16(3, 4, 4, samples), 'la', DEFAULT_LIMITS, 'dropped')).data], grey);
  const colour = [...samples].filter((_, i) => i % 4 !== 3).map((v) => v >> 8);
  assert.deepEqual(
    [...(await decode(png16(2, 3, 6, samples), 'rgba', DEFAULT_LIMITS, 'dropped')).data],
    colour,
  );
});

test('an embedded colour profile does not change pixels', async () => {
  const { width, height, data } = noise(16, 16);
  const tagged = await sharp(data, { raw: { width, height, channels: 3 } })
    .withIccProfile('p3', { attach: true })
    .png()
    .toBuffer();
  assert.ok((await sharp(tagged).metadata()).icc);
  const untagged = await sharp(tagged, { ignoreIcc: true }).raw().toBuffer();
  assert.deepEqual(Buffer.from((await decode(tagged, 'p3')).data), untagged);
});

test('where alpha is dropped, transparent pixels keep their colour, in a GIF too', async () => {
  const rgba = Buffer.from([255, 0, 0, 0, 0, 255, 0, 255, 0, 0, 255, 0, 9, 9, 9, 255]);
  const image = sharp(rgba, { raw: { width: 4, height: 1, channels: 4 } });
  assert.deepEqual(
    [...(await decode(await image.png().toBuffer(), 'a', DEFAULT_LIMITS, 'dropped')).data],
    [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9],
  );
  assert.deepEqual(
    [...(await decode(TRANSPARENT_GIF, 'gif', DEFAULT_LIMITS, 'dropped')).data],
    [255, 0, 0, 0, 0, 255],
  );
});

/** 2 × 1: palette red, blue; red is the transparent index. */
const TRANSPARENT_GIF = Buffer.from(
  '474946383961' +
    '02000100' +
    '800000' +
    'ff0000' +
    '0000ff' +
    '21f90401000000002c' +
    '00000000' +
    '02000100' +
    '00' +
    '02' +
    '02' +
    '440a' +
    '00' +
    '3b',
  'hex',
);

test('only the first frame is read', async () => {
  const [a, b] = await Promise.all([encode(noise(12, 12, 'a'), 'png'), encode(noise(12, 12, 'b'), 'png')]);
  const animation = await sharp([a, b], { join: { animated: true } })
    .webp({ lossless: true })
    .toBuffer();
  assert.equal((await sharp(animation).metadata()).pages, 2);
  const image = await decode(animation, 'animation');
  assert.equal(image.height, 12);
  assert.deepEqual(Buffer.from(image.data), Buffer.from(noise(12, 12, 'a').data));
});

const png = await encode(noise(64, 64), 'png');
const jpeg = await encode(noise(64, 64), 'jpeg');

function corrupt(bytes: Buffer, at: number, length: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = at; i < at + length; i++) copy[i]! ^= 0xa5;
  return copy;
}

for (const [name, bytes, code] of [
  ['an empty file', Buffer.alloc(0), 'IMAGE_UNREADABLE'],
  ['ten bytes of nothing', Buffer.from('0123456789'), 'IMAGE_UNSUPPORTED'],
  ['ten bytes of a PNG', png.subarray(0, 10), 'IMAGE_UNREADABLE'],
  ['a JPEG marker alone', jpeg.subarray(0, 3), 'IMAGE_UNREADABLE'],
  ['a truncated PNG', png.subarray(0, png.length >> 1), 'IMAGE_UNREADABLE'],
  ['a truncated JPEG', jpeg.subarray(0, jpeg.length >> 1), 'IMAGE_UNREADABLE'],
  ['a corrupt PNG', corrupt(png, 200, 40), 'IMAGE_UNREADABLE'],
  ['a corrupt JPEG', corrupt(jpeg, 20, 300), 'IMAGE_UNREADABLE'],
  [
    'an SVG',
    Buffer.from(
      '<?xml version="1.0"?><!-- c --><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    ),
    'IMAGE_UNSUPPORTED',
  ],
  ['an SVG after blanks', Buffer.from('\ufeff \n<svg></svg>'), 'IMAGE_UNSUPPORTED'],
  ['a web page', Buffer.from('<!DOCTYPE html><html></html>'), 'IMAGE_UNSUPPORTED'],
  ['a PDF', Buffer.from('%PDF-1.7 …'), 'IMAGE_UNSUPPORTED'],
  ['a BMP', Buffer.from('BM' + '\0'.repeat(60)), 'IMAGE_UNSUPPORTED'],
  ['an HEIC photo', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), 'IMAGE_UNSUPPORTED'],
  ['a video', Buffer.from('\0\0\0\x18ftypisom\0\0\0\0isommp41', 'latin1'), 'IMAGE_UNSUPPORTED'],
  ['a WAV recording', Buffer.from('RIFF\x24\0\0\0WAVEfmt ', 'latin1'), 'IMAGE_UNSUPPORTED'],
  ['a bomb of 30,000 × 30,000', pngBomb(30_000, 30_000), 'IMAGE_TOO_LARGE'],
  ['a PNG that promises 900,000 pixels a side', pngBomb(900_000, 900_000, 2), 'IMAGE_TOO_LARGE'],
] as const) {
  test(`${name} is refused`, async () => {
    const started = performance.now();
    const sentence = /^The file [^\n]+[;:.][^\n]*\.$/;
    await assert.rejects(decode(bytes, 'The file'), { name: 'AfterimageError', code, message: sentence });
    assert.ok(performance.now() - started < 5_000);
  });
}

for (const bytes of [
  'RIFF\x24\0\0\0WAVEfmt ',
  'ID3\x04\0',
  '\xff\xfb\x90\0',
  'OggS\0\x02',
  'fLaC\0',
  '\0\0\0\x18ftypM4A \0\0\0\0',
]) {
  test(`a sound recording is refused as such: ${JSON.stringify(bytes)}`, async () => {
    await assert.rejects(decode(Buffer.from(bytes, 'latin1'), 'The file'), {
      code: 'IMAGE_UNSUPPORTED',
      message: /^The file is a sound recording; no model here listens; only JPEG, .* are read\.$/,
    });
  });
}

test('a bomb is refused before it is decoded', async () => {
  const bomb = pngBomb(30_000, 30_000);
  assert.ok(bomb.length < 1_000_000);
  const before = process.memoryUsage().rss;
  await assert.rejects(decode(bomb, 'The file'), { code: 'IMAGE_TOO_LARGE' });
  assert.ok(process.memoryUsage().rss - before < 100 * 1024 * 1024);
});

test('limits can be moved', async () => {
  const small = { ...DEFAULT_LIMITS, maxPixels: 64 * 64 - 1 };
  await assert.rejects(decode(png, 'The file', small), { code: 'IMAGE_TOO_LARGE', message: /64 × 64/ });
  await assert.rejects(decode(png, 'The file', { ...DEFAULT_LIMITS, maxBytes: 100 }), {
    code: 'IMAGE_TOO_LARGE',
  });
  assert.equal((await decode(png, 'The file', { maxBytes: png.length, maxPixels: 64 * 64 })).width, 64);
});

test('random damage never crashes', async () => {
  let state = 5;
  const next = (below: number) => (state = (state * 48271) % 2147483647) % below;
  const files = await Promise.all(
    (['png', 'jpeg', 'webp', 'gif', 'tiff'] as const).map((format) => encode(noise(24, 24), format)),
  );
  for (let round = 0; round < 200; round++) {
    const bytes = Buffer.from(files[round % files.length]!);
    for (let i = 0; i < 1 + next(8); i++) bytes[next(bytes.length)] = next(256);
    await decode(bytes.subarray(0, next(4) === 0 ? next(bytes.length) : bytes.length), 'The file').catch(
      (error: { code?: string }) => {
        assert.match(error.code ?? 'none', /^IMAGE_/, String(error));
      },
    );
  }
});
