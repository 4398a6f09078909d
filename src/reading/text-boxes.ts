// Components of the detector's map → boxes around lines of text. The map shows lines shrunken, so boxes are grown again.
// Liao et al., "Real-time Scene Text Detection with Differentiable Binarization", https://arxiv.org/abs/1911.08947
import type { Component } from '../engine/text-lines.js';
import { boundsOf, quadOf, type Bounds, type Point, type Quad } from './quad.js';

/** Probability from which a pixel belongs to a line, and mean from which a line is one. */
export const THRESHOLD = 0.3;
const LEAST_SCORE = 0.5;
/** A box grows by area · GROWTH / perimeter on each side. */
const GROWTH = 1.6;
/** Components thinner than this many pixels are noise. */
const LEAST_SIDE = 2;
/** A line that rises by less than this share of its height from one end to the other is level. */
const LEVEL_RISE = 0.35;
/** A single upright character is at most so many times as high as wide. */
const SINGLE_ASPECT = 3.2;

export interface TextBox {
  /** In pixels of the map. */
  quad: Quad;
  /** Its sides are those of the picture. */
  level: boolean;
  score: number;
}

/** @param components Of a map, above THRESHOLD. */
export function toTextBoxes(components: readonly Component[]): TextBox[] {
  return components.flatMap((component) => {
    const box = component.score >= LEAST_SCORE ? boxAround(component) : undefined;
    return box ? [box] : [];
  });
}

function boxAround({ hull, score }: Component): TextBox | undefined {
  const bounds = boundsOf(hull);
  const across = bounds.right - bounds.left;
  const down = bounds.bottom - bounds.top;
  if (Math.min(across, down) < LEAST_SIDE) return undefined;
  const tilted = smallestRectangle(hull);
  const rise = Math.abs(Math.sin(tilted.angle)) * tilted.width;
  const grown = grow(bounds, across, down);
  const single = grown.bottom - grown.top < SINGLE_ASPECT * (grown.right - grown.left);
  if (rise <= LEVEL_RISE * tilted.height || ((tilted.width < 1.5 * tilted.height || down > across) && single))
    return { quad: quadOf(grown), level: true, score };
  return { quad: tiltedQuad(tilted), level: false, score };
}

function margin(width: number, height: number): number {
  return (width * height * GROWTH) / (2 * (width + height));
}

function grow({ left, top, right, bottom }: Bounds, width: number, height: number): Bounds {
  const by = margin(width, height);
  return { left: left - by, top: top - by, right: right + by, bottom: bottom + by };
}

interface Rectangle {
  centre: Point;
  width: number;
  height: number;
  /** Of its reading direction, radians, −π/4…π/4 for wide ones; width is the side along it. */
  angle: number;
}

/** The rectangle of least area around a convex hull; one of its sides lies on a side of the hull. */
export function smallestRectangle(hull: readonly Point[]): Rectangle {
  let best: Rectangle | undefined;
  for (let at = 0; at < hull.length; at++) {
    const from = hull[at]!;
    const to = hull[at + 1 < hull.length ? at + 1 : 0]!;
    const rectangle = rectangleAt(hull, Math.atan2(to.y - from.y, to.x - from.x));
    if (!best || rectangle.width * rectangle.height < best.width * best.height - 1e-6) best = rectangle;
  }
  return readable(best!);
}

function rectangleAt(hull: readonly Point[], angle: number): Rectangle {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let at = 0; at < hull.length; at++) {
    const { x, y } = hull[at]!;
    const across = x * cos + y * sin;
    const down = y * cos - x * sin;
    if (across < left) left = across;
    if (across > right) right = across;
    if (down < top) top = down;
    if (down > bottom) bottom = down;
  }
  const u = (left + right) / 2;
  const v = (top + bottom) / 2;
  return {
    centre: { x: u * cos - v * sin, y: u * sin + v * cos },
    width: right - left,
    height: bottom - top,
    angle,
  };
}

/** The same rectangle with its long side as reading direction, left to right; upwards where it is nearly vertical. */
function readable({ centre, width, height, angle }: Rectangle): Rectangle {
  if (width < height) return readable({ centre, width: height, height: width, angle: angle + Math.PI / 2 });
  const half = angle - Math.PI * Math.round(angle / Math.PI);
  return { centre, width, height, angle: half };
}

function tiltedQuad({ centre, width, height, angle }: Rectangle): Quad {
  const by = margin(width, height);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const corner = (u: number, v: number): Point => ({
    x: centre.x + u * cos - v * sin,
    y: centre.y + u * sin + v * cos,
  });
  const [u, v] = [width / 2 + by, height / 2 + by];
  return [corner(-u, -v), corner(u, -v), corner(u, v), corner(-u, v)];
}
