// From 8-bit pixels to the float rows a vision encoder reads.
import type { ResizeFilter } from '../../image/resize.js';
import { FILTER_BY_CODE } from '../../image/resize.js';
import type { Config } from '../checkpoint/config.js';
import type { NamedTensor } from '../family.js';
import type { RgbImage } from '../../image/rgb-image.js';

/** For each channel, the float of each 8-bit value v: (v · rescale_factor − mean) / std. */
export type ChannelTables = [Float32Array, Float32Array, Float32Array];

export function channelTables(settings: Config): ChannelTables {
  const rescale = settings.boolean('do_rescale', true) ? settings.number('rescale_factor', 1 / 255) : 1;
  const normalize = settings.boolean('do_normalize', true);
  const mean = normalize ? settings.channels('image_mean') : [0, 0, 0];
  const std = normalize ? settings.channels('image_std') : [1, 1, 1];
  const table = (c: number): Float32Array =>
    Float32Array.from({ length: 256 }, (_, v) => (v * rescale - mean[c]!) / std[c]!);
  return [table(0), table(1), table(2)];
}

/** The settings that turn 8-bit values into floats. */
export function normalization(settings: Config): Record<string, unknown> {
  const { do_rescale, rescale_factor, do_normalize, image_mean, image_std } = settings.raw();
  return { do_rescale, rescale_factor, do_normalize, image_mean, image_std };
}

/** How much a float changes, at most, when the 8-bit value changes by one. */
export function pixelStep(tables: ChannelTables): number {
  return Math.max(...tables.map((table) => Math.abs(table[1]! - table[0]!)));
}

/** Pillow's filter of the given `resample` code. */
export function resampleFilter(settings: Config, fallback: ResizeFilter): ResizeFilter {
  return settings.has('resample') ? (FILTER_BY_CODE[settings.number('resample')] ?? fallback) : fallback;
}

/** Top left corner of each patch, in the order of the rows to be made. */
export interface PatchGrid {
  rows: number;
  columns: number;
  patch: number;
}

/** Corners row by row. */
export function rasterCorners({ rows, columns, patch }: PatchGrid): [x: number, y: number][] {
  return Array.from({ length: rows * columns }, (_, i) => [
    (i % columns) * patch,
    Math.floor(i / columns) * patch,
  ]);
}

/** One row per patch: channel, then `copies` times (patch y, patch x): the order of a convolution kernel. */
export function patchRows(
  image: RgbImage,
  tables: ChannelTables,
  corners: [number, number][],
  patch: number,
  copies = 1,
): NamedTensor {
  const width = 3 * copies * patch * patch;
  const data = new Float32Array(corners.length * width);
  writePatchRows(image, tables, corners, patch, copies, data);
  return { data, rows: corners.length, width };
}

/** The rows of patchRows, written to `data`. */
export function writePatchRows(
  image: RgbImage,
  tables: ChannelTables,
  corners: [number, number][],
  patch: number,
  copies: number,
  data: Float32Array,
): void {
  const area = patch * patch;
  let at = 0;
  for (const [x0, y0] of corners) {
    for (let c = 0; c < 3; c++) {
      const table = tables[c]!;
      const first = at;
      for (let y = 0; y < patch; y++) {
        let from = ((y0 + y) * image.width + x0) * 3 + c;
        for (let x = 0; x < patch; x++, from += 3) data[at++] = table[image.data[from]!]!;
      }
      for (let copy = 1; copy < copies; copy++, at += area) data.copyWithin(at, first, first + area);
    }
  }
}

/** Rows of the same patches in several frames as one row each: channel, then frame by frame `area` pixels. */
export function framedRows(frames: readonly NamedTensor[], area: number): NamedTensor {
  const { rows, width } = frames[0]!;
  const data = new Float32Array(rows * width * frames.length);
  for (let from = 0, at = 0; from < rows * width; from += area) {
    for (const frame of frames) {
      data.set(frame.data.subarray(from, from + area), at);
      at += area;
    }
  }
  return { data, rows, width: width * frames.length };
}

/** One row per patch: its pixels in raster order, the three channels of a pixel together. */
export function pixelColumns(
  image: RgbImage,
  tables: ChannelTables,
  corners: [number, number][],
  patch: number,
): NamedTensor {
  const width = 3 * patch * patch;
  const data = new Float32Array(corners.length * width);
  let at = 0;
  for (const [x0, y0] of corners) {
    for (let y = 0; y < patch; y++) {
      const from = ((y0 + y) * image.width + x0) * 3;
      for (let i = 0; i < 3 * patch; i++) data[at++] = tables[i % 3]![image.data[from + i]!]!;
    }
  }
  return { data, rows: corners.length, width };
}

/** One row of three channels per pixel. */
export function pixelRows(image: RgbImage, tables: ChannelTables): NamedTensor {
  const data = new Float32Array(image.data.length);
  for (let i = 0; i < data.length; i++) data[i] = tables[i % 3]![image.data[i]!]!;
  return { data, rows: data.length / 3, width: 3 };
}

/** i32 rows. */
export function indexTensor(data: ArrayLike<number>, width = 1): NamedTensor {
  return { data: Int32Array.from(data), rows: data.length / width, width };
}

/** Rows of one width, those of one part after those of the other. */
export function joinedRows(parts: readonly NamedTensor[]): NamedTensor {
  const { width } = parts[0]!;
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { data, rows: data.length / width, width };
}

export function floatTensor(data: ArrayLike<number>, width: number): NamedTensor {
  return { data: Float32Array.from(data), rows: data.length / width, width };
}

/** The part of an image whose corner is (x, y). */
export function crop(image: RgbImage, x: number, y: number, width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const from = ((y + row) * image.width + x) * 3;
    data.set(image.data.subarray(from, from + width * 3), row * width * 3);
  }
  return { width, height, data };
}
