// Where a line of text has ink: how far each of its columns and rows differs from the background.
import type { RgbImage } from '../image/rgb-image.js';

export interface Ink {
  /** Share of the line's strongest contrast in each column, 0…1. */
  columns: Float32Array;
  /** The same for each row. */
  rows: Float32Array;
}

/** Levels of a channel that count as one colour when the background is looked for. */
const LEVELS = 16;
/** Contrast below this (of 255) is background, whatever else there is. */
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

export function inkOf(line: RgbImage): Ink {
  const { width, height, data } = line;
  const background = backgroundOf(line);
  const columns = new Float32Array(width);
  const rows = new Float32Array(height);
  let strongest = LEAST_CONTRAST;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) {
      let contrast = 0;
      for (let c = 0; c < 3; c++) contrast = Math.max(contrast, Math.abs(data[at + c]! - background[c]!));
      if (contrast > columns[x]!) columns[x] = contrast;
      if (contrast > rows[y]!) rows[y] = contrast;
      if (contrast > strongest) strongest = contrast;
    }
  }
  return { columns: columns.map((v) => v / strongest), rows: rows.map((v) => v / strongest) };
}
