// Where a line of text has ink: in which rows and columns.
import type { Ink } from '../engine/text-lines.js';

/** Parts of 255 from which a pixel is ink: fainter ones are the soft edges of letters. */
export const INK = 80;

/** The strongest contrast of each column between two rows. */
export function columnInk({ width, contrast }: Ink, top: number, bottom: number): Uint8Array {
  const columns = new Uint8Array(width);
  for (let y = top; y < bottom; y++)
    for (let x = 0; x < width; x++) columns[x] = Math.max(columns[x]!, contrast[y * width + x]!);
  return columns;
}

/** How many pixels of each row are ink, between two columns. */
export function rowInk({ width, height, contrast }: Ink, left = 0, right = width): Int32Array {
  const rows = new Int32Array(height);
  for (let y = 0; y < height; y++)
    for (let x = left; x < right; x++) if (contrast[y * width + x]! >= INK) rows[y]!++;
  return rows;
}

/**
 * The rows that belong to the line: from its middle outwards to the first empty row on each side, so that the edges of
 * neighbours and frames stay out.
 * @returns [top, bottom)
 */
export function textRows(ink: Ink): [number, number] {
  const rows = rowInk(ink);
  const { height } = ink;
  const core = [Math.floor(height * 0.35), Math.ceil(height * 0.65)] as const;
  let [top, bottom]: [number, number] = [core[0], core[1]];
  while (top < bottom - 1 && rows[top] === 0) top++;
  while (bottom > top + 1 && rows[bottom - 1] === 0) bottom--;
  while (top > 0 && rows[top - 1]! > 0) top--;
  while (bottom < height && rows[bottom]! > 0) bottom++;
  return [top, bottom];
}
