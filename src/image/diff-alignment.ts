// How two images are laid over each other. Equal sizes: as they are. Equal proportions: the larger one is scaled down
// (the same screen at two pixel densities). Anything else: top left corners together (a page that grew).
import type { RgbImage } from './rgb-image.js';
import type { Region, Size } from './region.js';
import { resize } from './resize.js';

export type Alignment = 'same' | 'scaled' | 'top-left';

/** Everything below is in frame coordinates: the common size, or the box around both images. */
export interface AlignedImages {
  alignment: Alignment;
  frame: Size;
  /** Pixels of the frame that at least one image covers. */
  covered: number;
  before: RgbImage;
  after: RgbImage;
  /** Into the pixels of one original; undefined where that image has nothing. */
  toBefore(region: Region): Region | undefined;
  toAfter(region: Region): Region | undefined;
  fromAfter(region: Region): Region;
  /** Sets 1 where only one of the images has a pixel. */
  markUnpaired(mask: Uint8Array): void;
}

/** Proportions that differ by less count as equal: sizes are whole pixels. */
const SAME_PROPORTIONS = 0.005;

export function alignImages(before: RgbImage, after: RgbImage): AlignedImages {
  const across = after.width / before.width;
  const down = after.height / before.height;
  const scaled = across !== 1 && down !== 1 && Math.abs(across / down - 1) < SAME_PROPORTIONS;
  return scaled ? scaledDown(before, after) : cornerToCorner(before, after);
}

function scaledDown(before: RgbImage, after: RgbImage): AlignedImages {
  const smaller = before.width < after.width ? before : after;
  const frame = { width: smaller.width, height: smaller.height };
  const fit = (image: RgbImage) => resize(image, frame.width, frame.height, 'box');
  return {
    alignment: 'scaled',
    frame,
    covered: frame.width * frame.height,
    before: fit(before),
    after: fit(after),
    toBefore: (region) => rescaled(region, frame, before),
    toAfter: (region) => rescaled(region, frame, after),
    fromAfter: (region) => rescaled(region, after, frame),
    markUnpaired: () => {},
  };
}

/** Rounded outwards. */
function rescaled({ x, y, width, height }: Region, from: Size, to: Size): Region {
  const left = Math.floor((x * to.width) / from.width);
  const top = Math.floor((y * to.height) / from.height);
  const right = Math.min(to.width, Math.ceil(((x + width) * to.width) / from.width));
  const bottom = Math.min(to.height, Math.ceil(((y + height) * to.height) / from.height));
  return { x: left, y: top, width: right - left, height: bottom - top };
}

function cornerToCorner(before: RgbImage, after: RgbImage): AlignedImages {
  const same = before.width === after.width && before.height === after.height;
  const frame = { width: Math.max(before.width, after.width), height: Math.max(before.height, after.height) };
  return {
    alignment: same ? 'same' : 'top-left',
    frame,
    covered:
      area(before) +
      area(after) -
      Math.min(before.width, after.width) * Math.min(before.height, after.height),
    before,
    after,
    toBefore: (region) => clipped(region, before),
    toAfter: (region) => clipped(region, after),
    fromAfter: (region) => region,
    markUnpaired: (mask) => markUnpaired(mask, frame, before, after),
  };
}

function area({ width, height }: Size): number {
  return width * height;
}

function clipped({ x, y, width, height }: Region, image: Size): Region | undefined {
  const right = Math.min(x + width, image.width);
  const bottom = Math.min(y + height, image.height);
  return right > x && bottom > y ? { x, y, width: right - x, height: bottom - y } : undefined;
}

function markUnpaired(mask: Uint8Array, frame: Size, before: Size, after: Size): void {
  for (let y = 0; y < frame.height; y++) {
    const a = y < before.height ? before.width : 0;
    const b = y < after.height ? after.width : 0;
    mask.fill(1, y * frame.width + Math.min(a, b), y * frame.width + Math.max(a, b));
  }
}
