// The first frame of a GIF as Pillow reads it: on a canvas in the transparent colour, else in that of entry 0, and with
// the colour of the palette where libvips has only "transparent". The frame is cut out as a GIF of its own for that.
import type { Colour } from './alpha.js';

const EXTENSION = 0x21;
const GRAPHIC_CONTROL = 0xf9;
const IMAGE = 0x2c;
const HEADER = 13;
const DESCRIPTOR = 10;
const INTERLACED = 0x40;

export interface GifFrame {
  /** The frame alone, at the top left of a canvas of its size; transparent where it is. */
  bytes: Uint8Array;
  x: number;
  y: number;
  width: number;
  height: number;
  canvas: { width: number; height: number };
  /** Of pixels outside the frame, and of transparent ones. */
  colour: Colour;
  transparent: boolean;
}

/** Undefined when there is no whole image descriptor. */
export function firstFrame(bytes: Uint8Array): GifFrame | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER) return undefined;
  let at = HEADER + tableBytes(bytes[10]!);
  let transparent: number | undefined;
  for (; at + 2 < bytes.length && bytes[at] === EXTENSION; at = afterSubBlocks(bytes, at + 2)) {
    if (bytes[at + 1] === GRAPHIC_CONTROL && bytes[at + 3]! & 1) transparent = bytes[at + 6];
  }
  if (bytes[at] !== IMAGE || at + DESCRIPTOR >= bytes.length) return undefined;
  const [x, y, width, height] = [1, 3, 5, 7].map((offset) => view.getUint16(at + offset, true)) as Place;
  const packed = bytes[at + 9]!;
  const end = at + DESCRIPTOR + tableBytes(packed);
  const table = packed & 0x80 ? bytes.subarray(at + DESCRIPTOR, end) : globalTable(bytes);
  const entry = (transparent ?? 0) * 3;
  return {
    bytes: alone(width, height, table, packed & INTERLACED, transparent, bytes.subarray(end)),
    ...{ x, y, width, height },
    canvas: {
      width: Math.max(view.getUint16(6, true), x + width),
      height: Math.max(view.getUint16(8, true), y + height),
    },
    colour: [table[entry] ?? 0, table[entry + 1] ?? 0, table[entry + 2] ?? 0],
    transparent: transparent !== undefined,
  };
}

type Place = [x: number, y: number, width: number, height: number];

/** Bytes of a colour table announced by a packed field, 0 if there is none. */
function tableBytes(packed: number): number {
  return packed & 0x80 ? 3 << ((packed & 7) + 1) : 0;
}

/** Without any table, indices are grey levels. */
function globalTable(bytes: Uint8Array): Uint8Array {
  const length = tableBytes(bytes[10]!);
  if (length > 0) return bytes.subarray(HEADER, HEADER + length);
  return Uint8Array.from({ length: 768 }, (_, at) => Math.floor(at / 3));
}

function alone(
  width: number,
  height: number,
  table: Uint8Array,
  interlaced: number,
  transparent: number | undefined,
  data: Uint8Array,
): Uint8Array {
  const size = [width & 255, width >> 8, height & 255, height >> 8];
  const control = transparent === undefined ? [] : [EXTENSION, GRAPHIC_CONTROL, 4, 1, 0, 0, transparent, 0];
  const packed = 0x80 | interlaced | (Math.log2(table.length / 3) - 1);
  const sizeOfCode = data.subarray(0, 1);
  const blocks = data.subarray(1, afterSubBlocks(data, 1));
  return Buffer.concat([
    Buffer.from('GIF89a', 'latin1'),
    Buffer.from([...size, 0, 0, 0, ...control, IMAGE, 0, 0, 0, 0, ...size, packed]),
    table,
    sizeOfCode,
    blocks,
    Buffer.from([0x3b]),
  ]);
}

/** Position after a chain of length-prefixed blocks that ends with an empty one. */
function afterSubBlocks(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && bytes[at] !== 0) at += bytes[at]! + 1;
  return at + 1;
}
