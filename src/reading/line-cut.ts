// A box of the detector → the pixels that the recogniser reads. Level boxes are brought to rest on the ink inside them:
// the detector's answer shifts a little when something changes elsewhere in the picture, and a line that did not change
// must give the same crop, hence the same text, to the bit.
import type { RgbImage } from '../image/rgb-image.js';
import { crop } from '../image/region.js';
import { columnInk, INK, inkOf, textRows } from './ink.js';
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

/** @param bounds In pixels of `picture`. */
export function cutLevel(picture: RgbImage, bounds: Bounds): LineCut {
  const region = regionOf(snapped(picture, bounds), picture);
  return {
    line: crop(picture, region),
    placement: { origin: { x: region.x, y: region.y }, along: { x: 1, y: 0 }, across: { x: 0, y: 1 } },
  };
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

function snapped(picture: RgbImage, bounds: Bounds): Bounds {
  const region = regionOf(bounds, picture);
  const ink = inkOf(crop(picture, region));
  const [top, bottom] = textRows(ink);
  const columns = columnInk(ink, top, bottom);
  const first = columns.findIndex((value) => value >= INK);
  const last = columns.findLastIndex((value) => value >= INK);
  if (first < 0) return bounds;
  const height = steppedHeight(bounds.bottom - bounds.top);
  const middle = region.y + (top + bottom) / 2;
  const side = Math.round(height * SIDE_MARGIN);
  const upper = Math.floor(middle - height / 2);
  return {
    left: region.x + first - side,
    right: region.x + last + 1 + side,
    top: upper,
    bottom: upper + height,
  };
}

function steppedHeight(height: number): number {
  return Math.round(HEIGHT_STEP ** Math.round(Math.log(height) / Math.log(HEIGHT_STEP)));
}
