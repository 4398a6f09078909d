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

interface Refusal extends Signature {
  /** What to do instead of converting it. */
  next?: string;
}

const anyOf =
  (...texts: string[]) =>
  (bytes: Uint8Array) =>
    texts.some((text) => startsWith(text)(bytes));
const riff = (kind: string) => (b: Uint8Array) => ascii(b, 0, 4) === 'RIFF' && ascii(b, 8, 12) === kind;

const BY_FRAME = 'save one frame of it as PNG.';
const UNPACKED = 'unpack it and give the picture in it.';
const IN_BINARY = 'copy the original again, as binary.';

/** Formats worth naming in the refusal. */
const REFUSED: Refusal[] = [
  {
    name: 'an SVG drawing',
    matches: (b) => /^\s*<(?:\?xml|!--|!doctype svg|svg)/i.test(text(b)) && /<svg/i.test(text(b)),
  },
  {
    name: 'an HTML or XML page',
    matches: (b) => /^\s*<[!?a-z]/i.test(text(b)),
    next: 'download the picture itself, or take a screenshot of the page.',
  },
  { name: 'a HEIC photo', matches: hasBrand(/^(hei[cxms]|hev[cx]|mif1|msf1)$/) },
  {
    name: 'a camera’s raw photo',
    matches: (b) => hasBrand(/^crx $/)(b) || anyOf('FUJIFILMCCD-RAW', 'IIRO', 'IIU\0')(b),
  },
  {
    name: 'a sound recording',
    matches: (b) =>
      riff('WAVE')(b) ||
      hasBrand(/^M4[AB] $/)(b) ||
      anyOf('fLaC', 'OggS', 'ID3', 'MThd')(b) ||
      (ascii(b, 0, 4) === 'FORM' && ascii(b, 8, 11) === 'AIF') ||
      (b[0] === 0xff && [0xf1, 0xf3, 0xf9, 0xfa, 0xfb].includes(b[1]!)),
    next: `no model here listens; only ${ACCEPTED_FORMATS} are read.`,
  },
  {
    name: 'a video',
    matches: (b) => brands(b).length > 0 || anyOf('\x1aE\xdf\xa3', 'FLV\x01')(b) || riff('AVI ')(b),
    next: BY_FRAME,
  },
  {
    name: 'a PDF document',
    matches: startsWith('%PDF'),
    next: 'give its path or its data: URL, so that its pages are drawn.',
  },
  { name: 'a PostScript drawing', matches: anyOf('%!PS', '\xc5\xd0\xd3\xc6') },
  { name: 'a BMP picture of an unknown kind', matches: startsWith('BM') },
  { name: 'a Photoshop file', matches: startsWith('8BPS') },
  {
    name: 'an icon or a cursor',
    matches: (b) => anyOf('\0\0\x01\0', '\0\0\x02\0')(b) && b[4] !== 0 && b[5] === 0,
  },
  { name: 'an icon or a cursor', matches: (b) => startsWith('icns')(b) || riff('ACON')(b) },
  { name: 'a JPEG XL picture', matches: (b) => startsWith('\xff\x0a')(b) || startsWith('JXL ', 4)(b) },
  {
    name: 'a JPEG 2000 picture',
    matches: (b) => startsWith('jP  ', 4)(b) || startsWith('\xff\x4f\xff\x51')(b),
  },
  { name: 'a QOI picture', matches: startsWith('qoif') },
  { name: 'an OpenEXR picture', matches: startsWith('v/1\x01') },
  { name: 'a Radiance picture', matches: startsWith('#?RADIANCE') },
  { name: 'a DDS texture', matches: startsWith('DDS ') },
  { name: 'a DjVu document', matches: startsWith('AT&TFORM') },
  { name: 'an MNG or JNG picture', matches: anyOf('\x8aMNG', '\x8bJNG') },
  { name: 'a PNM picture', matches: (b) => /^P[1-7]\s[\s#\d]/.test(ascii(b, 0, 4)) },
  {
    name: 'a Windows metafile',
    matches: (b) => startsWith('\xd7\xcd\xc6\x9a')(b) || startsWith(' EMF', 40)(b),
  },
  {
    name: 'a ZIP archive or an office document',
    matches: anyOf('PK\x03\x04', '\xd0\xcf\x11\xe0'),
    next: UNPACKED,
  },
  { name: 'an archive', matches: anyOf('\x1f\x8b', 'Rar!', '7z\xbc\xaf', 'BZh', '\xfd7zXZ'), next: UNPACKED },
  { name: 'a program', matches: anyOf('\x7fELF', 'MZ') },
  {
    name: 'a PNG picture that was damaged when it was copied as text',
    matches: (b) => anyOf('\x89PNG', '\xc2\x89PNG', '\xef\xbb\xbf\x89PNG', '\xef\xbf\xbdPNG')(b),
    next: IN_BINARY,
  },
  {
    name: 'a JPEG picture that was damaged when it was copied as text',
    matches: anyOf('\xc3\xbf\xc3\x98', '\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd'),
    next: IN_BINARY,
  },
  {
    name: 'a Git LFS pointer',
    matches: startsWith('version https://git-lfs'),
    next: 'fetch the picture itself with git lfs pull.',
  },
  {
    name: 'a picture written as base64 text',
    matches: (b) => /^\s*(?:data:image\/|iVBORw0KGgo|\/9j\/|R0lGOD|UklGR)/.test(text(b)),
    next: 'decode it to a file, or give the text itself as the image.',
  },
  {
    name: 'a text file',
    matches: (b) => b.length > 0 && !/[\0-\x08\x0e-\x1f\ufffd]/.test(text(b)),
    next: 'give the path of a picture.',
  },
];

/** The beginning as text, whose last letter may be cut: enough for an XML declaration, a comment and the root element. */
function text(bytes: Uint8Array): string {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 4096));
  const utf16 = start[0] === 0xff && start[1] === 0xfe;
  return start
    .toString(utf16 ? 'utf16le' : 'utf8')
    .replace(/^\ufeff/, '')
    .replace(/\ufffd{1,3}$/, '');
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
    `${name} is ${refused?.name ?? 'not an image of a known kind'}; ` +
      (refused?.next ?? `${ACCEPTED_FORMATS} are read, so convert it to PNG first.`),
  );
}

/** Whether the bytes begin like one of the accepted formats, or like a document whose pages are drawn. */
export function isKnownFormat(bytes: Uint8Array): boolean {
  return startsWith('%PDF-')(bytes) || ACCEPTED.some((signature) => signature.matches(bytes));
}
