// BMP: what clipboards, Windows and WSL write. Decoded here, since libvips has no loader and bmp-ts reads 38 of 80 kinds
// (palettes, 16 bit, OS/2 headers) otherwise than Pillow. Palettes of 1, 4 and 8 bits, 16, 24 and 32 bits, masks, run
// lengths, rows in either direction. https://learn.microsoft.com/windows/win32/gdi/bitmap-storage
import type { RgbaImage } from './alpha.js';

const FILE_HEADER = 14;
/** BITMAPCOREHEADER of OS/2: short sizes, palette entries of three bytes. */
const CORE_HEADER = 12;
const HEADERS = [CORE_HEADER, 40, 52, 56, 64, 108, 124];

const RAW = 0;
const RLE8 = 1;
const RLE4 = 2;
const BITFIELDS = 3;
const ALPHABITFIELDS = 6;

export interface BmpHeader {
  width: number;
  height: number;
  topDown: boolean;
  bits: number;
  compression: number;
  /** Colours of the palette, blue first, `entryBytes` apart. */
  palette: Uint8Array;
  entryBytes: number;
  /** Red, green, blue, alpha; 0 where there is none. */
  masks: readonly [number, number, number, number];
  /** Where the pixels begin. */
  offset: number;
}

/** @throws RangeError that says what is wrong. */
export function bmpHeader(bytes: Uint8Array): BmpHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FILE_HEADER + CORE_HEADER) throw new RangeError('the header is cut off');
  const size = view.getUint32(FILE_HEADER, true);
  if (!HEADERS.includes(size)) throw new RangeError(`a header of ${size} bytes is not known`);
  if (bytes.length < FILE_HEADER + size) throw new RangeError('the header is cut off');
  return checked(size === CORE_HEADER ? coreHeader(bytes, view) : infoHeader(bytes, view, size));
}

function coreHeader(bytes: Uint8Array, view: DataView): BmpHeader {
  const bits = view.getUint16(24, true);
  const at = FILE_HEADER + CORE_HEADER;
  return {
    width: view.getUint16(18, true),
    height: view.getUint16(20, true),
    topDown: false,
    bits,
    compression: RAW,
    palette: bits <= 8 ? bytes.subarray(at, at + 3 * 2 ** bits) : new Uint8Array(0),
    entryBytes: 3,
    masks: DEFAULT_MASKS[bits] ?? NO_MASKS,
    offset: view.getUint32(10, true),
  };
}

function infoHeader(bytes: Uint8Array, view: DataView, size: number): BmpHeader {
  const bits = view.getUint16(28, true);
  const compression = view.getUint32(30, true);
  const height = view.getInt32(22, true);
  const masked = compression === BITFIELDS || compression === ALPHABITFIELDS;
  const at = FILE_HEADER + Math.max(size, masked ? 52 : size);
  const colours = Math.min(view.getUint32(46, true) || 2 ** bits, 256);
  return {
    width: view.getInt32(18, true),
    height: Math.abs(height),
    topDown: height < 0,
    bits,
    compression,
    palette: bits <= 8 ? bytes.subarray(at, at + 4 * colours) : new Uint8Array(0),
    entryBytes: 4,
    masks: masked ? readMasks(view, size, compression) : (DEFAULT_MASKS[bits] ?? NO_MASKS),
    offset: view.getUint32(10, true),
  };
}

const NO_MASKS = [0, 0, 0, 0] as const;

/** The fourth byte of 32 bits is not alpha unless a mask says so: most programs leave it 0. */
const DEFAULT_MASKS: Record<number, BmpHeader['masks']> = {
  16: [0x7c00, 0x03e0, 0x001f, 0],
  24: [0xff0000, 0x00ff00, 0x0000ff, 0],
  32: [0xff0000, 0x00ff00, 0x0000ff, 0],
};

/** After a header of 40 bytes, or inside a longer one, which also has a mask for alpha. */
function readMasks(view: DataView, size: number, compression: number): BmpHeader['masks'] {
  const FIRST = 54;
  const mask = (index: number) =>
    FIRST + index * 4 + 4 <= view.byteLength ? view.getUint32(FIRST + index * 4, true) : 0;
  const alpha = size >= 56 || compression === ALPHABITFIELDS ? mask(3) : 0;
  const masks = [mask(0), mask(1), mask(2), alpha] as const;
  return masks.every((value) => value === 0) ? [0xff0000, 0xff00, 0xff, 0xff000000] : masks;
}

function checked(header: BmpHeader): BmpHeader {
  const { width, height, bits, compression, topDown } = header;
  if (width < 1 || height < 1) throw new RangeError(`it has ${width} × ${height} pixels`);
  const depths: Record<number, number[]> = {
    [RAW]: [1, 4, 8, 16, 24, 32],
    [RLE8]: [8],
    [RLE4]: [4],
    [BITFIELDS]: [16, 24, 32],
    [ALPHABITFIELDS]: [16, 24, 32],
  };
  if (!depths[compression]?.includes(bits)) {
    throw new RangeError(`${bits} bits a pixel with compression ${compression} are not known`);
  }
  if (topDown && (compression === RLE8 || compression === RLE4))
    throw new RangeError('run lengths go from the bottom up');
  return header;
}

/** @throws RangeError that says what is wrong. */
export function decodeBmp(bytes: Uint8Array, header = bmpHeader(bytes)): RgbaImage {
  const { width, height, bits, compression } = header;
  const data = new Uint8Array(width * height * 4);
  const pixels = bytes.subarray(header.offset);
  if (compression === RLE8 || compression === RLE4) paint(data, header, indicesOfRuns(pixels, header));
  else {
    const stride = Math.ceil((width * bits) / 32) * 4;
    // The padding of the last row may be missing.
    const needed = stride * (height - 1) + Math.ceil((width * bits) / 8);
    if (pixels.length < needed)
      throw new RangeError(`${needed - pixels.length} bytes of its pixels are missing`);
    if (bits <= 8) paint(data, header, (x, y) => indexAt(pixels, y * stride, x, bits));
    else paintMasked(data, header, pixels, stride);
  }
  return { width, height, data };
}

/** Index at (x, row), rows as they are stored. */
type Indices = (x: number, row: number) => number;

function indexAt(pixels: Uint8Array, row: number, x: number, bits: number): number {
  const byte = pixels[row + ((x * bits) >> 3)]!;
  return (byte >> (8 - bits - ((x * bits) & 7))) & (2 ** bits - 1);
}

function paint(data: Uint8Array, header: BmpHeader, indices: Indices): void {
  const { width, height, palette, entryBytes } = header;
  for (let row = 0; row < height; row++) {
    let to = rowStart(header, row);
    for (let x = 0; x < width; x++, to += 4) {
      const entry = indices(x, row) * entryBytes;
      data[to] = palette[entry + 2] ?? 0;
      data[to + 1] = palette[entry + 1] ?? 0;
      data[to + 2] = palette[entry] ?? 0;
      data[to + 3] = 255;
    }
  }
}

/** Where a stored row goes in the picture. */
function rowStart({ width, height, topDown }: BmpHeader, row: number): number {
  return (topDown ? row : height - 1 - row) * width * 4;
}

function paintMasked(data: Uint8Array, header: BmpHeader, pixels: Uint8Array, stride: number): void {
  const { width, height, bits, masks } = header;
  const bytes = bits / 8;
  const channels = masks.map(channel);
  for (let row = 0; row < height; row++) {
    let to = rowStart(header, row);
    for (let from = row * stride, end = from + width * bytes; from < end; from += bytes) {
      let value = 0;
      for (let byte = bytes - 1; byte >= 0; byte--) value = value * 256 + pixels[from + byte]!;
      for (let c = 0; c < 4; c++) data[to++] = channels[c]!(value);
    }
  }
}

/** A channel of n bits becomes v · 255 / (2ⁿ - 1), cut down, as in Pillow's unpackers. */
function channel(mask: number, index: number): (value: number) => number {
  if (mask === 0) return index === 3 ? () => 255 : () => 0;
  const low = 31 - Math.clz32(mask & -mask);
  const most = mask >>> low;
  return (value) => Math.floor((((value & mask) >>> low) * 255) / most);
}

/** Run lengths of 4 or 8 bits a pixel: rows end early, are skipped into, and end where the data says so. */
function indicesOfRuns(pixels: Uint8Array, { width, height, compression }: BmpHeader): Indices {
  const indices = new Uint8Array(width * height);
  const nibbles = compression === RLE4;
  let [x, row, at] = [0, 0, 0];
  const put = (index: number) => {
    if (x < width && row < height) indices[row * width + x] = index;
    x++;
  };
  const half = (byte: number, i: number) => (nibbles ? (i & 1 ? byte & 15 : byte >> 4) : byte);
  while (row < height) {
    if (at + 2 > pixels.length) throw new RangeError('its run lengths are cut off');
    const [count, value] = [pixels[at]!, pixels[at + 1]!];
    at += 2;
    if (count > 0) for (let i = 0; i < count; i++) put(half(value, i));
    else if (value === END_OF_ROW) [x, row] = [0, row + 1];
    else if (value === END_OF_IMAGE) break;
    else if (value === SKIP) {
      x += pixels[at] ?? 0;
      row += pixels[at + 1] ?? 0;
      at += 2;
    } else {
      const length = nibbles ? (value + 1) >> 1 : value;
      if (at + length > pixels.length) throw new RangeError('its run lengths are cut off');
      for (let i = 0; i < value; i++) put(half(pixels[at + (nibbles ? i >> 1 : i)]!, i));
      at += length + (length & 1);
    }
  }
  return (column, line) => indices[line * width + column]!;
}

const END_OF_ROW = 0;
const END_OF_IMAGE = 1;
const SKIP = 2;
