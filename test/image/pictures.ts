// Test images: recorded ones, and ones made on the spot.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import type { RgbImage } from '../../src/image/rgb-image.js';

export const FIXTURES = fileURLToPath(new URL('./fixtures/', import.meta.url));

export function readFixture(path: string): Buffer {
  return readFileSync(FIXTURES + path);
}

export async function readPng(path: string): Promise<RgbImage> {
  const { data, info } = await sharp(readFixture(path))
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

/** Deterministic pixels. */
export function noise(width: number, height: number, seed = 'noise'): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let at = 0, block = 0; at < data.length; block++) {
    const bytes = createHash('sha256').update(`${seed} ${block}`).digest();
    data.set(bytes.subarray(0, Math.min(32, data.length - at)), at);
    at += 32;
  }
  return { width, height, data };
}

export function plain(width: number, height: number, colour: [number, number, number]): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = colour[i % 3]!;
  return { width, height, data };
}

export function paint(
  image: RgbImage,
  x: number,
  y: number,
  width: number,
  height: number,
  colour: [number, number, number],
): RgbImage {
  const data = image.data.slice();
  for (let row = y; row < y + height; row++) {
    for (let column = x; column < x + width; column++) data.set(colour, (row * image.width + column) * 3);
  }
  return { ...image, data };
}

export function encode(
  { width, height, data }: RgbImage,
  format: 'png' | 'jpeg' | 'webp' | 'gif' | 'avif' | 'tiff',
): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .toFormat(format)
    .toBuffer();
}

function chunk(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), body]);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(typed));
  return Buffer.concat([length, typed, check]);
}

/** A one-bit PNG of any size, some kilobytes long; valid when it has all its rows. */
export function pngBomb(width: number, height: number, rowsPresent = height): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 1;
  const rows = deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * rowsPresent), { level: 9 });
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** 16-bit PNG, big-endian samples. @param colourType 0 grey, 2 RGB, 4 grey + alpha, 6 RGBA. @param transparent Grey colour key. */
export function png16(
  width: number,
  height: number,
  colourType: 0 | 2 | 4 | 6,
  samples: Uint16Array,
  transparent?: number,
): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 16;
  header[9] = colourType;
  const stride = samples.length / height;
  const rows = Buffer.alloc((stride * 2 + 1) * height);
  samples.forEach((sample, i) => rows.writeUInt16BE(sample, i * 2 + Math.floor(i / stride) + 1));
  const key =
    transparent === undefined ? [] : [chunk('tRNS', Buffer.from([transparent >> 8, transparent & 255]))];
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    ...key,
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
