// Which way up a picture is, where the decoder does not look: metadata behind the pixels, in text chunks, in XMP.
import type { RgbImage } from './rgb-image.js';
import { pngChunks, pngTexts } from './png.js';

/** 1 (upright) to 8, as in EXIF. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const ORIENTATION_TAG = 0x0112;

/** @param xmp XMP packet of the file, if the decoder found one. */
export function hiddenOrientation(bytes: Uint8Array, isPng: boolean, xmp?: Uint8Array): Orientation {
  const found = isPng ? inPng(bytes) : undefined;
  return valid(found ?? inXmp(xmp && Buffer.from(xmp).toString('latin1'))) ?? 1;
}

function valid(value: number | undefined): Orientation | undefined {
  return value !== undefined && value >= 1 && value <= 8 ? (value as Orientation) : undefined;
}

/** The eXIf chunk wherever it stands, else what ImageMagick writes, else XMP: the order of Pillow's getexif(). */
function inPng(bytes: Uint8Array): number | undefined {
  const chunk = [...pngChunks(bytes)].find(({ type }) => type === 'eXIf');
  const texts = pngTexts(bytes, ['Raw profile type exif', 'XML:com.adobe.xmp']);
  const raw = texts.get('Raw profile type exif');
  const exif = chunk?.data ?? (raw === undefined ? undefined : hexLines(raw));
  return (exif && inExif(exif)) ?? inXmp(texts.get('XML:com.adobe.xmp'));
}

/** An empty line, a name, a length, then hexadecimal digits in lines. */
function hexLines(text: string): Uint8Array {
  return Buffer.from(text.split('\n').slice(3).join('').replace(/\s/g, ''), 'hex');
}

function inXmp(xmp: string | undefined): number | undefined {
  const found = /tiff:Orientation(?:="|>)([0-9])/.exec(xmp ?? '')?.[1];
  return found === undefined ? undefined : Number(found);
}

/** What a TIFF file itself says; a BigTIFF always counts as saying something. */
export function orientationOfTiff(bytes: Uint8Array): number | undefined {
  const BIG = 43;
  return bytes[2] === BIG || bytes[3] === BIG ? 1 : inExif(bytes);
}

/** The orientation of the first directory of a TIFF structure, with or without "Exif\0\0" before it. */
function inExif(exif: Uint8Array): number | undefined {
  const start = Buffer.from(exif.subarray(0, 6)).toString('latin1') === 'Exif\0\0' ? 6 : 0;
  const view = new DataView(exif.buffer, exif.byteOffset + start, exif.length - start);
  if (view.byteLength < 14) return undefined;
  const little = view.getUint16(0) === 0x4949;
  const directory = view.getUint32(4, little);
  if (directory + 2 > view.byteLength) return undefined;
  const entries = view.getUint16(directory, little);
  for (let at = directory + 2, left = entries; left > 0 && at + 12 <= view.byteLength; at += 12, left--) {
    if (view.getUint16(at, little) === ORIENTATION_TAG) return view.getUint16(at + 8, little);
  }
  return undefined;
}

export function swapsSides(orientation: Orientation): boolean {
  return orientation >= 5;
}

/** Upright pixels. */
export function turned(image: RgbImage, orientation: Orientation): RgbImage {
  if (orientation === 1) return image;
  const { width: w, height: h, data } = image;
  const [width, height] = swapsSides(orientation) ? [h, w] : [w, h];
  const rgb = new Uint8Array(data.length);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      const [column, row] = source(orientation, x, y, w, h);
      const from = (row * w + column) * 3;
      rgb[to] = data[from]!;
      rgb[to + 1] = data[from + 1]!;
      rgb[to + 2] = data[from + 2]!;
    }
  }
  return { width, height, data: rgb };
}

/** Where the upright pixel (x, y) is stored, in an image of w × h. */
function source(orientation: Orientation, x: number, y: number, w: number, h: number): [number, number] {
  switch (orientation) {
    case 2:
      return [w - 1 - x, y];
    case 3:
      return [w - 1 - x, h - 1 - y];
    case 4:
      return [x, h - 1 - y];
    case 5:
      return [y, x];
    case 6:
      return [y, h - 1 - x];
    case 7:
      return [w - 1 - y, h - 1 - x];
    case 8:
      return [w - 1 - y, x];
    case 1:
      return [x, y];
  }
}
