// Outlines of areas drawn into a picture, for people who want to see what was found.
import type { RgbImage } from './rgb-image.js';

export type Corners = readonly { x: number; y: number }[];

const COLOUR = [220, 30, 90] as const;
/** Pixels of the stroke on each side of the outline. */
const STROKE = 1;

/** A copy of the picture with closed outlines through the corners of each area. */
export function withOutlines({ width, height, data }: RgbImage, areas: readonly Corners[]): RgbImage {
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
  return drawn;
}

function dot({ width, height, data }: RgbImage, x: number, y: number): void {
  for (let row = Math.round(y) - STROKE; row < Math.round(y) + STROKE; row++) {
    for (let column = Math.round(x) - STROKE; column < Math.round(x) + STROKE; column++) {
      if (row < 0 || column < 0 || row >= height || column >= width) continue;
      data.set(COLOUR, (row * width + column) * 3);
    }
  }
}
