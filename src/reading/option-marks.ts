// The box or ring that stands before the text of an option, measured in pixels: its corners say whether it is a checkbox or a
// radio button, what is in it whether it is checked. A classifier need not guess what can be measured. A job for a worker.
import type { Region } from '../image/region.js';
import type { RgbImage } from '../image/rgb-image.js';

export interface OptionMark {
  /** A ring or a disc; else a box. */
  round: boolean;
  /** Something is drawn in it. */
  filled: boolean;
}

/** What stands beside the text of a line: a mark, nothing at all, or something else. */
export type Beside = OptionMark | 'nothing' | 'something';

/** How far left of its text a mark begins at most, and how far inside its line where the detector took it in; in heights. */
const [BEFORE, INSIDE] = [2.4, 1.6];
/** Sides of a mark in heights of the line; how much they may differ. */
const SIDES = [0.45, 1.25] as const;
const SQUARE = 1.25;
/** A line's box ends so near its letters; letters are nearer to each other than a mark to its text. In heights. */
const [BORDER, GAP] = [0.15, 0.22];
/** How far its middle may lie above or below the line's, in heights. */
const OFF_LEVEL = 0.35;
/** Of 255: what differs so much from what lies around it is drawn. */
const DRAWN = 40;
/** A corner is this share of the side; of a box more than this share of it is inside, of a ring about a quarter. */
const [CORNER, IN_A_BOX] = [0.22, 0.6];
/** What is drawn in a mark is looked for in this share of it, around its middle. */
const INNER = 0.5;

/** What stands beside each of these lines, given by their boxes. */
export function besideTexts({ picture, boxes }: { picture: RgbImage; boxes: Region[] }): Beside[] {
  return boxes.map((box) => besideText(picture, box));
}

/** @param box Of the line, in pixels of the picture. */
function besideText(picture: RgbImage, box: Region): Beside {
  const high = Math.max(1, box.height);
  const middle = box.y + box.height / 2;
  const window = clipped(picture, {
    x: box.x - BEFORE * high,
    y: middle - high,
    width: (BEFORE + INSIDE) * high,
    height: 2 * high,
  });
  if (window.width < 4 || window.height < 4) return 'something';
  const drawn = drawnIn(picture, window);
  const all = shapesOf(drawn, window);
  // A ring of focus stands around its mark; of two marks the nearer one is the text's.
  const shapes = all
    .filter((shape) => isMark(shape, window, box) && standsApart(shape, all, window, box))
    .sort((a, b) => right(b) - right(a) || b.width - a.width);
  const [nearest] = shapes;
  if (!nearest) return isAlone(picture, box) ? 'nothing' : 'something';
  const inner = shapes.findLast((shape) => shape.x >= nearest.x && right(shape) <= right(nearest)) ?? nearest;
  return { round: isRound(inner), filled: isFilled(picture, window, inner) };
}

interface Shape extends Region {
  /** First and last drawn column of each row, from its left. */
  spans: [number, number][];
}

const right = ({ x, width }: Region): number => x + width;

function isMark({ y, width, height }: Shape, window: Region, box: Region): boolean {
  const high = box.height;
  const [small, large] = [Math.min(width, height), Math.max(width, height)];
  if (small < SIDES[0] * high || large > SIDES[1] * high || large / small > SQUARE || small < 6) return false;
  const off = window.y + y + height / 2 - (box.y + box.height / 2);
  return Math.abs(off) <= OFF_LEVEL * high;
}

/** Before the line, or in it where the detector took it in: then nothing is before it, and the text farther than letters are. */
function standsApart(shape: Shape, all: readonly Shape[], window: Region, box: Region): boolean {
  const high = box.height;
  if (window.x + right(shape) <= box.x + BORDER * high) return true;
  if (window.x + shape.x < box.x - BORDER * high || window.x + shape.x > box.x + 2 * BORDER * high)
    return false;
  const level = all.filter(({ y, height }) => y < shape.y + shape.height && y + height > shape.y);
  const next = level.filter((other) => other.x > right(shape) - 1).map(({ x }) => x - right(shape));
  return Math.min(...next) >= GAP * high && !level.some((other) => right(other) <= shape.x);
}

/** Of four corners of the shape how much is inside it. */
function isRound({ width, height, spans }: Shape): boolean {
  const corner = Math.max(2, Math.round(CORNER * Math.min(width, height)));
  let inside = 0;
  for (const row of range(corner).flatMap((i) => [i, height - 1 - i])) {
    const [first, last] = spans[row]!;
    inside += Math.max(0, corner - first) + Math.max(0, last - (width - 1 - corner));
  }
  return inside / (4 * corner * corner) < IN_A_BOX;
}

/** Whether the middle of the mark is not all of one colour. */
function isFilled({ width: wide, data }: RgbImage, window: Region, { x, y, width, height }: Shape): boolean {
  const low = [255, 255, 255];
  const top = [0, 0, 0];
  const margin = (side: number): number => Math.round(((1 - INNER) / 2) * side);
  for (let row = y + margin(height); row < y + height - margin(height); row++)
    for (let column = x + margin(width); column < x + width - margin(width); column++)
      for (let c = 0; c < 3; c++) {
        const value = data[((window.y + row) * wide + window.x + column) * 3 + c]!;
        low[c] = Math.min(low[c]!, value);
        top[c] = Math.max(top[c]!, value);
      }
  return low.some((value, c) => top[c]! - value > DRAWN);
}

/** Of each pixel of the window whether it is drawn: unlike most of the window. */
function drawnIn({ width: wide, data }: RgbImage, window: Region): Uint8Array {
  const { x, y, width, height } = window;
  const ground = [0, 1, 2].map((c) => {
    const counts = new Uint32Array(256);
    for (let i = 0; i < width * height; i++)
      counts[data[((y + Math.floor(i / width)) * wide + x + (i % width)) * 3 + c]!]!++;
    return counts.indexOf(Math.max(...counts));
  });
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const at = ((y + Math.floor(i / width)) * wide + x + (i % width)) * 3;
    return Number(ground.some((value, c) => Math.abs(data[at + c]! - value) > DRAWN));
  });
}

/** Connected parts of what is drawn, across corners too, with their places in the window. */
function shapesOf(drawn: Uint8Array, { width, height }: Region): Shape[] {
  const seen = new Uint8Array(drawn.length);
  const shapes: Shape[] = [];
  for (let start = 0; start < drawn.length; start++) {
    if (drawn[start] === 0 || seen[start] === 1) continue;
    const part = [start];
    seen[start] = 1;
    for (let next = 0; next < part.length; next++) {
      const [px, py] = [part[next]! % width, Math.floor(part[next]! / width)];
      for (let y = Math.max(0, py - 1); y <= Math.min(height - 1, py + 1); y++)
        for (let x = Math.max(0, px - 1); x <= Math.min(width - 1, px + 1); x++) {
          const at = y * width + x;
          if (drawn[at] === 0 || seen[at] === 1) continue;
          seen[at] = 1;
          part.push(at);
        }
    }
    shapes.push(shapeOf(part, width));
  }
  return shapes;
}

function shapeOf(part: readonly number[], wide: number): Shape {
  const xs = part.map((at) => at % wide);
  const ys = part.map((at) => Math.floor(at / wide));
  const least = (values: number[]): number => values.reduce((a, b) => Math.min(a, b));
  const most = (values: number[]): number => values.reduce((a, b) => Math.max(a, b));
  const [x, y] = [least(xs), least(ys)];
  const spans = range(most(ys) - y + 1).map((): [number, number] => [Infinity, -Infinity]);
  part.forEach((_, i) => {
    const span = spans[ys[i]! - y]!;
    span[0] = Math.min(span[0], xs[i]! - x);
    span[1] = Math.max(span[1], xs[i]! - x);
  });
  return { x, y, width: most(xs) - x + 1, height: spans.length, spans };
}

/** Whether nothing at all is drawn beside the line, left of it up to where a mark might begin and right up to the edge. */
function isAlone(picture: RgbImage, box: Region): boolean {
  const high = box.height;
  const [y, height] = [box.y + 0.1 * high, 0.8 * high];
  const left = clipped(picture, { x: box.x - BEFORE * high, y, width: (BEFORE - 0.2) * high, height });
  const from = box.x + box.width + 0.3 * high;
  const rest = clipped(picture, { x: from, y, width: picture.width - from, height });
  return [left, rest].every(
    (part) => part.width < 1 || part.height < 1 || !drawnIn(picture, part).includes(1),
  );
}

function clipped({ width, height }: RgbImage, region: Region): Region {
  const inside = (at: number, side: number): number => Math.max(0, Math.min(side, Math.round(at)));
  const [x, y] = [inside(region.x, width), inside(region.y, height)];
  return {
    x,
    y,
    width: inside(region.x + region.width, width) - x,
    height: inside(region.y + region.height, height) - y,
  };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
