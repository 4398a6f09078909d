// One line of text cut out of a picture: turned upright, measured for ink, and brought to the recogniser's 48 rows.
import type { RgbImage } from '../image/rgb-image.js';
import { resize } from '../image/resize.js';
import type { Point, Quad } from './quad.js';

/** Rows that the recogniser sees. */
export const CROP_ROWS = 48;
/** Columns of one of its steps. */
export const STEP_COLUMNS = 8;
/** Narrower crops give the recogniser nothing to hold on to. */
const LEAST_COLUMNS = 48;

/** The part of `picture` inside a quad as an upright image, one pixel for a pixel; what lies outside is repeated edge. */
export function straighten(picture: RgbImage, quad: Quad): RgbImage {
  const [origin, right, , down] = quad;
  const width = Math.max(1, Math.round(Math.hypot(right.x - origin.x, right.y - origin.y)));
  const height = Math.max(1, Math.round(Math.hypot(down.x - origin.x, down.y - origin.y)));
  const along = { x: (right.x - origin.x) / width, y: (right.y - origin.y) / width };
  const across = { x: (down.x - origin.x) / height, y: (down.y - origin.y) / height };
  const data = new Uint8Array(width * height * 3);
  for (let v = 0, at = 0; v < height; v++) {
    for (let u = 0; u < width; u++, at += 3) {
      const x = origin.x + along.x * (u + 0.5) + across.x * (v + 0.5) - 0.5;
      const y = origin.y + along.y * (u + 0.5) + across.y * (v + 0.5) - 0.5;
      sample(picture, { x, y }, data, at);
    }
  }
  return { width, height, data };
}

/** Bilinear. */
function sample({ width, height, data }: RgbImage, { x, y }: Point, target: Uint8Array, at: number): void {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const [fx, fy] = [x - left, y - top];
  const x0 = clamp(left, width);
  const x1 = clamp(left + 1, width);
  const y0 = clamp(top, height) * width;
  const y1 = clamp(top + 1, height) * width;
  for (let c = 0; c < 3; c++) {
    const upper = data[(y0 + x0) * 3 + c]! * (1 - fx) + data[(y0 + x1) * 3 + c]! * fx;
    const lower = data[(y1 + x0) * 3 + c]! * (1 - fx) + data[(y1 + x1) * 3 + c]! * fx;
    target[at + c] = Math.round(upper * (1 - fy) + lower * fy);
  }
}

function clamp(at: number, size: number): number {
  return Math.min(Math.max(at, 0), size - 1);
}

/** Scaled to 48 rows; the last column is repeated until the width is a multiple of a step. */
export function toCrop(line: RgbImage): RgbImage {
  const wide = Math.max(1, Math.round((line.width * CROP_ROWS) / line.height));
  const scaled = resize(line, wide, CROP_ROWS, 'bicubic');
  const columns = Math.max(LEAST_COLUMNS, Math.ceil(wide / STEP_COLUMNS) * STEP_COLUMNS);
  return columns === wide ? scaled : padded(scaled, columns);
}

function padded({ width, height, data }: RgbImage, columns: number): RgbImage {
  const wider = new Uint8Array(columns * height * 3);
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width * 3, (y + 1) * width * 3);
    wider.set(row, y * columns * 3);
    for (let x = width; x < columns; x++) wider.set(row.subarray(-3), (y * columns + x) * 3);
  }
  return { width: columns, height, data: wider };
}
