// Files that are no picture of a kind that is read: each is called what it is, with what to do about it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOf } from '../../src/image/format.js';
import { encode, noise } from './pictures.js';

const latin = (text: string) => Buffer.from(text.padEnd(64, '\0'), 'latin1');
const ftyp = (brand: string, ...more: string[]) =>
  latin(`\0\0\0${String.fromCharCode(16 + 4 * more.length)}ftyp${brand}\0\0\0\0${more.join('')}`);
const png = await encode(noise(8, 6), 'png');

const CASES: [what: string, bytes: Buffer, message: RegExp][] = [
  ['HEIC', ftyp('heic', 'mif1'), /a HEIC photo.*convert it to PNG/],
  ['HEIF', ftyp('mif1', 'heic'), /a HEIC photo/],
  ['a raw photo', ftyp('crx ', 'isom'), /raw photo.*convert/],
  ['MP4', ftyp('isom', 'mp41'), /a video; save one frame/],
  ['QuickTime', ftyp('qt  '), /a video/],
  ['AVI', latin('RIFF\0\0\0\0AVI '), /a video/],
  ['WAV', latin('RIFF\0\0\0\0WAVE'), /a sound recording; no model here listens/],
  ['AIFF', latin('FORM\0\0\0\0AIFF'), /a sound recording/],
  ['an icon', latin('\0\0\x01\0\x01\0'), /an icon or a cursor.*convert/],
  ['a cursor', latin('\0\0\x02\0\x01\0'), /an icon or a cursor/],
  ['JPEG XL', latin('\xff\x0a'), /a JPEG XL picture/],
  ['JPEG XL in boxes', latin('\0\0\0\x0cJXL \r\n\x87\n'), /a JPEG XL picture/],
  ['JPEG 2000', latin('\0\0\0\x0cjP  \r\n\x87\n'), /a JPEG 2000 picture/],
  ['QOI', latin('qoif'), /a QOI picture/],
  ['PPM', latin('P6\n40 30\n255\n\0'), /a PNM picture/],
  ['PostScript', latin('%!PS-Adobe-3.0'), /a PostScript drawing/],
  ['PDF', latin('%PDF-1.7'), /a PDF document; give its path/],
  ['SVG', Buffer.from('<svg xmlns="x"/>'), /an SVG drawing/],
  ['SVG in UTF-16', Buffer.from('\ufeff<svg/>', 'utf16le'), /an SVG drawing/],
  ['a page', Buffer.from('<!doctype html><html>'), /an HTML or XML page; download the picture itself/],
  ['JSON', Buffer.from('{"error": "not found"}'), /a text file; give the path of a picture/],
  ['text whose last letter is cut', Buffer.from('é'.repeat(3000)).subarray(0, 4095), /a text file/],
  [
    'a pointer',
    Buffer.from('version https://git-lfs.github.com/spec/v1\n'),
    /a Git LFS pointer.*git lfs pull/,
  ],
  ['base64', Buffer.from(png.toString('base64')), /written as base64 text; decode it/],
  ['a data URI', Buffer.from(`data:image/png;base64,${png.toString('base64')}`), /written as base64 text/],
  ['a ZIP', latin('PK\x03\x04'), /a ZIP archive.*unpack it/],
  ['gzip', latin('\x1f\x8b\x08'), /an archive; unpack it/],
  ['a program', latin('\x7fELF'), /a program/],
  [
    'line ends converted',
    Buffer.from(png.toString('latin1').replaceAll('\r\n', '\n'), 'latin1'),
    /damaged when .* as text/,
  ],
  [
    'UTF-8 made of it',
    Buffer.from(png.toString('latin1'), 'utf8'),
    /damaged when .* as text; copy the original/,
  ],
  ['decoded as UTF-8', Buffer.from(png.toString('utf8'), 'utf8'), /damaged when .* as text/],
  ['zeros', Buffer.alloc(500), /not an image of a known kind.*convert/],
];

for (const [what, bytes, message] of CASES) {
  test(what, () =>
    assert.throws(() => formatOf(bytes, 'x'), {
      code: 'IMAGE_UNSUPPORTED',
      message: new RegExp(`^x is .*${message.source}`),
    }),
  );
}
