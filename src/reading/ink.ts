// Where a line of text has ink: how far its pixels differ from the background.
import type { RgbImage } from '../image/rgb-image.js';

export interface Ink {
  width: number;
  height: number;
  /** Contrast to the background in parts of 255 of the line's strongest, row-major. */
  contrast: Uint8Array;
}

/** Parts of 255 from which a pixel is ink: fainter ones are the soft edges of letters. */
export const INK = 80;
/** Levels of a channel that count as one colour when the background is looked for. */
const LEVELS = 16;
/** A line whose contrast (of 255) stays below has no ink of its own strength. */
const LEAST_CONTRAST = 24;

/** The colour that most pixels have, to within LEVELS, as the mean of those pixels. */
export function backgroundOf({ width, height, data }: RgbImage): [number, number, number] {
  const side = 256 / LEVELS;
  const counts = new Int32Array(side ** 3);
  const keyAt = (at: number) =>
    ((data[at]! / LEVELS) | 0) * side * side +
    ((data[at + 1]! / LEVELS) | 0) * side +
    ((data[at + 2]! / LEVELS) | 0);
  let most = 0;
  for (let at = 0; at < width * height * 3; at += 3) {
    const key = keyAt(at);
    if (++counts[key]! > counts[most]!) most = key;
  }
  const sums: [number, number, number] = [0, 0, 0];
  for (let at = 0; at < width * height * 3; at += 3)
    if (keyAt(at) === most) for (let c = 0; c < 3; c++) sums[c]! += data[at + c]!;
  return sums.map((sum) => sum / counts[most]!) as [number, number, number];
}

/** All that differs from the background, rules and frames too. */
export function inkOf(line: RgbImage): Ink {
  const { width, height, data } = line;
  const [red, green, blue] = backgroundOf(line);
  const contrast = new Uint8Array(width * height);
  let strongest = LEAST_CONTRAST;
  for (let at = 0, from = 0; at < contrast.length; at++, from += 3) {
    const reds = Math.abs(data[from]! - red);
    const greens = Math.abs(data[from + 1]! - green);
    const blues = Math.abs(data[from + 2]! - blue);
    contrast[at] = Math.max(reds, greens, blues);
    strongest = Math.max(strongest, contrast[at]!);
  }
  for (let at = 0; at < contrast.length; at++) contrast[at] = Math.round((contrast[at]! * 255) / strongest);
  return { width, height, contrast };
}

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
