// Outlines of areas drawn into a picture, for people who want to see what was found.
import type { Region } from './region.js';
import type { RgbImage } from './rgb-image.js';

export type Corners = readonly { x: number; y: number }[];

const COLOUR = [220, 30, 90] as const;
const WHITE = [255, 255, 255] as const;
/** Pixels of the stroke on each side of the outline. */
const STROKE = 1;

/** Three columns and five rows of each digit, row by row. */
const DIGITS = [
  '111101101101111',
  '010110010010111',
  '111001111100111',
  '111001111001111',
  '101101111001001',
  '111100111001111',
  '111100111101111',
  '111001010010010',
  '111101111101111',
  '111101111001111',
];
const [DIGIT_COLUMNS, DIGIT_ROWS] = [3, 5];
/** Pixels of a picture's shorter side for each pixel of a digit's dot. */
const SIDE_PER_DOT = 350;

/** A copy of the picture with closed outlines through the corners of each area, and its number, from 1, beside it. */
export function withOutlines(
  { width, height, data }: RgbImage,
  areas: readonly Corners[],
  numbered = false,
): RgbImage {
  const drawn = { width, height, data: data.slice() };
  for (const corners of areas) {
    corners.forEach((from, at) => {
      const to = corners[(at + 1) % corners.length]!;
      const steps = Math.max(1, Math.ceil(Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y))));
      for (let step = 0; step <= steps; step++) {
        const share = step / steps;
        dot(drawn, from.x + (to.x - from.x) * share, from.y + (to.y - from.y) * share);
      }
    });
  }
  if (numbered) areas.forEach((corners, at) => drawNumber(drawn, String(at + 1), corners));
  return drawn;
}

/** White on the outline's colour, above the area where there is room, else in its corner. */
function drawNumber(image: RgbImage, number: string, corners: Corners): void {
  const unit = Math.max(2, Math.round(Math.min(image.width, image.height) / SIDE_PER_DOT));
  const wide = unit * (number.length * (DIGIT_COLUMNS + 1) + 1);
  const high = unit * (DIGIT_ROWS + 2);
  const left = Math.min(...corners.map(({ x }) => x));
  const top = Math.min(...corners.map(({ y }) => y));
  const x = Math.round(Math.max(0, Math.min(left - STROKE, image.width - wide)));
  const y = Math.round(top - high >= 0 ? top - high : top);
  fill(image, { x, y, width: wide, height: high }, COLOUR);
  [...number].forEach((digit, place) =>
    [...DIGITS[Number(digit)]!].forEach((dot, at) => {
      if (dot === '0') return;
      const column = 1 + place * (DIGIT_COLUMNS + 1) + (at % DIGIT_COLUMNS);
      const row = 1 + Math.floor(at / DIGIT_COLUMNS);
      fill(image, { x: x + column * unit, y: y + row * unit, width: unit, height: unit }, WHITE);
    }),
  );
}

function fill({ width, height, data }: RgbImage, area: Region, colour: readonly number[]): void {
  for (let y = Math.max(0, area.y); y < Math.min(height, area.y + area.height); y++)
    for (let x = Math.max(0, area.x); x < Math.min(width, area.x + area.width); x++)
      data.set(colour, (y * width + x) * 3);
}

function dot({ width, height, data }: RgbImage, x: number, y: number): void {
  for (let row = Math.round(y) - STROKE; row < Math.round(y) + STROKE; row++) {
    for (let column = Math.round(x) - STROKE; column < Math.round(x) + STROKE; column++) {
      if (row < 0 || column < 0 || row >= height || column >= width) continue;
      data.set(COLOUR, (row * width + column) * 3);
    }
  }
}

/** Of an upright area. */
export function cornersOf({ x, y, width, height }: Region): Corners {
  return [
    { x, y },
    { x: x + width, y },
    { x: x + width, y: y + height },
    { x, y: y + height },
  ];
}
