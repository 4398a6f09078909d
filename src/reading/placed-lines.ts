// A piece of text in pixels of its cut → a line in pixels of the picture.
import type { Placement } from '../engine/text-lines.js';
import type { Size } from '../image/region.js';
import type { LineText } from './line-text.js';
import { boundsOf, quadOf, regionOf, type Point, type Quad } from './quad.js';
import type { ReadLine } from './reading.js';

export function placeLine(
  { text, confidence, bounds, characters }: LineText,
  { origin, along, across }: Placement,
  picture: Size,
): ReadLine {
  const place = ({ x, y }: Point): Point => ({
    x: origin.x + along.x * x + across.x * y,
    y: origin.y + along.y * x + across.y * y,
  });
  const [a, b, c, d] = quadOf(bounds);
  const quad: Quad = [place(a), place(b), place(c), place(d)];
  const level = along.y === 0 && along.x > 0;
  const length = Math.max(1, bounds.right - bounds.left);
  const share = (x: number) => thousandths(Math.min(1, Math.max(0, (x - bounds.left) / length)));
  return {
    text,
    confidence: thousandths(confidence),
    box: regionOf(boundsOf(quad), picture),
    ...(!level && { quad: quad.map(({ x, y }) => ({ x: tenths(x), y: tenths(y) })) as unknown as Quad }),
    characters: characters.map(({ text: one, left, right }) => ({
      text: one,
      from: share(left),
      to: share(right),
    })),
  };
}

function thousandths(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
