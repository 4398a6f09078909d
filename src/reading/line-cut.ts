// A box of the detector → the pixels that the recogniser reads. Level boxes are brought to rest on the ink inside them:
// the detector's answer shifts a little when something changes elsewhere in the picture, and a line that did not change
// must give the same crop, hence the same text, to the bit.
import type { RgbImage } from '../image/rgb-image.js';
import { crop } from '../image/region.js';
import { textInk, type Side } from './frames.js';
import { columnInk, INK, textRows } from './ink.js';
import { straighten } from './line-crop.js';
import { regionOf, type Bounds, type Quad } from './quad.js';

/** Heights of cuts grow in steps of this ratio, so that a box a little higher gives the same cut. */
const HEIGHT_STEP = 1.15;
/** Kept beside the ink on both sides, in heights of the cut. */
const SIDE_MARGIN = 0.18;

/** How a cut's own pixels lie in the picture it came from. */
export interface Placement {
  /** Top left corner. */
  origin: { x: number; y: number };
  /** Of one pixel along the line, and across it, downwards. */
  along: { x: number; y: number };
  across: { x: number; y: number };
}

export interface LineCut {
  line: RgbImage;
  placement: Placement;
}

/** @param bounds In pixels of `picture`. @returns one cut, or one for each of a table's cells that the box covers */
export function cutLevel(picture: RgbImage, bounds: Bounds): LineCut[] {
  return snapped(picture, bounds).map((part) => {
    const region = regionOf(part, picture);
    return {
      line: crop(picture, region),
      placement: { origin: { x: region.x, y: region.y }, along: { x: 1, y: 0 }, across: { x: 0, y: 1 } },
    };
  });
}

export function cutTilted(picture: RgbImage, quad: Quad): LineCut {
  const line = straighten(picture, quad);
  const [origin, right, , down] = quad;
  return {
    line,
    placement: {
      origin,
      along: { x: (right.x - origin.x) / line.width, y: (right.y - origin.y) / line.width },
      across: { x: (down.x - origin.x) / line.height, y: (down.y - origin.y) / line.height },
    },
  };
}

function snapped(picture: RgbImage, bounds: Bounds): Bounds[] {
  const region = regionOf(bounds, picture);
  const { ink, sides } = textInk(crop(picture, region));
  const [top, bottom] = textRows(ink);
  const columns = columnInk(ink, top, bottom);
  const height = steppedHeight(bounds.bottom - bounds.top);
  const upper = Math.floor(region.y + (top + bottom) / 2 - height / 2);
  const margin = Math.round(height * SIDE_MARGIN);
  const cells = cellsBetween(sides, ink.width).flatMap(([from, to]) => {
    const first = columns.findIndex((value, x) => x >= from && value >= INK);
    const last = columns.findLastIndex((value, x) => x < to && value >= INK);
    if (first < 0 || last < first) return [];
    // The sides of a frame stay out: the recogniser takes them for letters.
    const before = sides.findLast(({ right }) => right <= first)?.right ?? -Infinity;
    const after = sides.find(({ left }) => left > last)?.left ?? Infinity;
    return {
      left: region.x + Math.max(before, first - margin),
      right: region.x + Math.min(after, last + 1 + margin),
      top: upper,
      bottom: upper + height,
    };
  });
  return cells.length > 0 ? cells : [bounds];
}

function cellsBetween(sides: readonly Side[], width: number): [from: number, to: number][] {
  const parting = sides.filter(({ parts }) => parts);
  const starts = [0, ...parting.map(({ right }) => right)];
  const ends = [...parting.map(({ left }) => left), width];
  return starts.map((start, at) => [start, ends[at]!]);
}

function steppedHeight(height: number): number {
  return Math.round(HEIGHT_STEP ** Math.round(Math.log(height) / Math.log(HEIGHT_STEP)));
}
