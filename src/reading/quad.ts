// Places in a picture: four corners in reading direction, and the upright box around them.
import type { Region, Size } from '../image/region.js';

export interface Point {
  x: number;
  y: number;
}

/** Top left, top right, bottom right, bottom left, as the text is read; pixels, edges count (not pixel centres). */
export type Quad = readonly [Point, Point, Point, Point];

/** An upright rectangle with fractions of pixels. */
export interface Bounds {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export function quadOf({ left, top, right, bottom }: Bounds): Quad {
  return [
    { x: left, y: top },
    { x: right, y: top },
    { x: right, y: bottom },
    { x: left, y: bottom },
  ];
}

export function boundsOf(points: readonly Point[]): Bounds {
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
}

/** Whole pixels around the bounds, inside the picture, at least one pixel. */
export function regionOf({ left, top, right, bottom }: Bounds, picture: Size): Region {
  const x = Math.min(Math.max(0, Math.floor(left + 1e-3)), picture.width - 1);
  const y = Math.min(Math.max(0, Math.floor(top + 1e-3)), picture.height - 1);
  return {
    x,
    y,
    width: Math.max(1, Math.min(picture.width, Math.ceil(right - 1e-3)) - x),
    height: Math.max(1, Math.min(picture.height, Math.ceil(bottom - 1e-3)) - y),
  };
}

/** Intersection over union. */
export function overlap(a: Bounds, b: Bounds): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const area = ({ left, top, right, bottom }: Bounds) => (right - left) * (bottom - top);
  return (width * height) / (area(a) + area(b) - width * height);
}
