// How the detector sees pictures of any size: at full resolution, large ones in overlapping tiles.
import type { RgbImage } from '../image/rgb-image.js';
import type { Region, Size } from '../image/region.js';

/** Sides that the detector takes are multiples of this. */
const MULTIPLE = 32;
/** A side up to this is seen whole. */
const WHOLE = 1600;
/** Sides of tiles of what is larger, and how far neighbours share pixels: more than a line of text is high. */
const TILE = 1280;
export const SHARED = 160;

/** Row by row, left to right; together they cover the picture. */
export function planTiles({ width, height }: Size): Region[] {
  return pieces(height).flatMap(([y, high]) =>
    pieces(width).map(([x, wide]) => ({ x, y, width: wide, height: high })),
  );
}

function pieces(length: number): [start: number, length: number][] {
  if (length <= WHOLE) return [[0, length]];
  const count = Math.ceil((length - SHARED) / (TILE - SHARED));
  return Array.from({ length: count }, (_, at) => {
    const start = Math.min(at * (TILE - SHARED), length - TILE);
    return [start, TILE];
  });
}

/** Grown to sides that the detector takes, by repeating the last row and column. */
export function toDetectorSides({ width, height, data }: RgbImage): RgbImage {
  const wide = Math.ceil(width / MULTIPLE) * MULTIPLE;
  const high = Math.ceil(height / MULTIPLE) * MULTIPLE;
  if (wide === width && high === height) return { width, height, data };
  const grown = new Uint8Array(wide * high * 3);
  for (let y = 0; y < high; y++) {
    const from = Math.min(y, height - 1) * width * 3;
    const to = y * wide * 3;
    grown.set(data.subarray(from, from + width * 3), to);
    for (let x = width; x < wide; x++) grown.copyWithin(to + x * 3, to + (width - 1) * 3, to + width * 3);
  }
  return { width: wide, height: high, data: grown };
}
