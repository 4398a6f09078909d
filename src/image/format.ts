// What a file is, decided by its first bytes. Names and extensions are never looked at.
import { AfterimageError } from '../errors.js';

export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'avif' | 'tiff' | 'bmp';

export const ACCEPTED_FORMATS = 'JPEG, PNG, WebP, GIF, AVIF, TIFF and BMP';

interface Signature {
  name: string;
  matches(bytes: Uint8Array): boolean;
}

function ascii(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', start, end);
}

const startsWith =
  (text: string, at = 0) =>
  (bytes: Uint8Array) =>
    ascii(bytes, at, at + text.length) === text;

/** Brands of an ISO base media file: the major one and the compatible ones, four characters each. */
function brands(bytes: Uint8Array): string[] {
  if (bytes.length < 16 || ascii(bytes, 4, 8) !== 'ftyp') return [];
  const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const list = [ascii(bytes, 8, 12)];
  for (let at = 16; at + 4 <= Math.min(size, bytes.length, 256); at += 4) list.push(ascii(bytes, at, at + 4));
  return list;
}

const hasBrand = (wanted: RegExp) => (bytes: Uint8Array) => brands(bytes).some((brand) => wanted.test(brand));

const ACCEPTED: (Signature & { name: ImageFormat })[] = [
  { name: 'jpeg', matches: startsWith('\xff\xd8\xff') },
  { name: 'png', matches: startsWith('\x89PNG\r\n\x1a\n') },
  { name: 'gif', matches: (b) => /^GIF8[79]a$/.test(ascii(b, 0, 6)) },
  { name: 'webp', matches: (b) => ascii(b, 0, 4) === 'RIFF' && ascii(b, 8, 12) === 'WEBP' },
  { name: 'avif', matches: hasBrand(/^avi[fs]$/) },
  { name: 'tiff', matches: (b) => ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(ascii(b, 0, 4)) },
  // The two letters alone begin many texts; behind the reserved fields comes the size of a known header.
  { name: 'bmp', matches: (b) => /^BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0$/s.test(ascii(b, 0, 18)) },
];

const SOUND = 'a sound recording';

/** Formats worth naming in the refusal. */
const REFUSED: Signature[] = [
  {
    name: 'an SVG drawing',
    matches: (b) => /^[\s\ufeff]*<(?:\?xml|!--|!doctype svg|svg)/i.test(text(b)) && /<svg/i.test(text(b)),
  },
  { name: 'an HTML or XML page', matches: (b) => /^[\s\ufeff]*<[!?a-z]/i.test(text(b)) },
  { name: 'a HEIC photo', matches: hasBrand(/^(hei[cxms]|hev[cx]|mif1|msf1)$/) },
  {
    name: SOUND,
    matches: (b) =>
      (ascii(b, 0, 4) === 'RIFF' && ascii(b, 8, 12) === 'WAVE') ||
      hasBrand(/^M4[AB] $/)(b) ||
      ['fLaC', 'OggS', 'ID3'].some((magic) => startsWith(magic)(b)) ||
      (b[0] === 0xff && [0xf1, 0xf3, 0xf9, 0xfa, 0xfb].includes(b[1]!)),
  },
  { name: 'a video', matches: (b) => brands(b).length > 0 || startsWith('\x1aE\xdf\xa3')(b) },
  { name: 'a PDF document', matches: startsWith('%PDF') },
  { name: 'a BMP picture of an unknown kind', matches: startsWith('BM') },
  { name: 'a Photoshop file', matches: startsWith('8BPS') },
  { name: 'an icon', matches: startsWith('\0\0\x01\0') },
  { name: 'a JPEG XL picture', matches: (b) => startsWith('\xff\x0a')(b) || startsWith('JXL ', 4)(b) },
  {
    name: 'a JPEG 2000 picture',
    matches: (b) => startsWith('jP  ', 4)(b) || startsWith('\xff\x4f\xff\x51')(b),
  },
  { name: 'a ZIP archive', matches: startsWith('PK\x03\x04') },
  { name: 'a gzip archive', matches: startsWith('\x1f\x8b') },
];

/** The beginning as text: enough for an XML declaration, a comment and the root element. */
function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 4096)).toString('utf8');
}

/** @throws AfterimageError IMAGE_UNREADABLE for an empty file, IMAGE_UNSUPPORTED for anything but the seven formats. */
export function formatOf(bytes: Uint8Array, name: string): ImageFormat {
  if (bytes.length === 0) {
    throw new AfterimageError('IMAGE_UNREADABLE', `${name} is empty; save the image again.`);
  }
  const accepted = ACCEPTED.find((signature) => signature.matches(bytes));
  if (accepted) return accepted.name;
  const refused = REFUSED.find((signature) => signature.matches(bytes));
  throw new AfterimageError(
    'IMAGE_UNSUPPORTED',
    `${name} is ${refused ? refused.name : 'not an image of a known kind'}; ` +
      (refused?.name === SOUND
        ? `no model here listens; only ${ACCEPTED_FORMATS} are read.`
        : `${ACCEPTED_FORMATS} are read, so convert it to PNG first.`),
  );
}

/** Whether the bytes begin like one of the accepted formats. */
export function isKnownFormat(bytes: Uint8Array): boolean {
  return ACCEPTED.some((signature) => signature.matches(bytes));
}
