// What differs between two images, pixel by pixel and without a model: sizes, share, regions, a picture of it.
// Anti-aliasing is told from change by pixelmatch (Vyšniauskas, "Anti-aliased pixel and intensity slope detector").
import pixelmatch from 'pixelmatch';
import type { ImageInput } from './rgb-image.js';
import { AfterimageError } from '../errors.js';
import type { RgbImage } from './rgb-image.js';
import { changedRegions, type ChangeMask } from './diff-regions.js';
import { alignImages, type Alignment } from './diff-alignment.js';
import { drawDifference } from './diff-picture.js';
import { checkRegion, type Region, type Size } from './region.js';

export interface DiffOptions {
  /** Colour distance that counts as a change, 0 (any) to 1; 0.1 by default. */
  threshold?: number;
  /** In pixels of the second image; what lies in them is not compared. */
  ignoreRegions?: readonly Region[];
  /** At most so many changed regions; 12 by default. Nearby ones are joined until they fit. */
  maxRegions?: number;
  signal?: AbortSignal;
}

export interface DiffRegion {
  /** In pixels of each image; absent where that image has nothing there. */
  before?: Region;
  after?: Region;
  changedPixels: number;
}

export interface ImageDiff {
  /** Every compared pixel is equal, bit by bit. */
  identical: boolean;
  before: Size;
  after: Size;
  alignment: Alignment;
  changedPixels: number;
  /** Of the compared pixels, 0 to 1. Anti-aliasing and differences below the threshold do not count. */
  changedShare: number;
  /** Largest first. */
  regions: DiffRegion[];
  /** PNG of the second image, faded, with changed pixels in red; neither side longer than `maxSide`. */
  picture(maxSide?: number): Promise<Uint8Array>;
}

export const MAX_IGNORE_REGIONS = 100;

/** Pixels compared between two looks at the clock and the cancel signal. */
const BAND_PIXELS = 1 << 20;

/** Rows beyond a band that decide about its anti-aliasing: a neighbour's neighbours. */
const HALO = 2;

/** @throws AfterimageError INVALID_REGION, CANCELLED; RangeError for a threshold outside 0…1. */
export async function diffImages(
  before: ImageInput,
  after: ImageInput,
  options: DiffOptions = {},
): Promise<ImageDiff> {
  const { threshold = 0.1, ignoreRegions = [], maxRegions = 12 } = options;
  if (!(threshold >= 0 && threshold <= 1))
    throw new RangeError(`Expected a threshold from 0 to 1 but received ${threshold}`);
  checkIgnored(ignoreRegions, after);
  const sizes = { before: sizeOf(before), after: sizeOf(after) };
  if (before.pixelHash === after.pixelHash) return unchanged(sizes, after);

  const aligned = alignImages(await before.pixels(), await after.pixels());
  const mask: ChangeMask = {
    ...aligned.frame,
    data: new Uint8Array(aligned.frame.width * aligned.frame.height),
  };
  const ignored = ignoredMask(ignoreRegions.map(aligned.fromAfter), aligned.frame);
  aligned.markUnpaired(mask.data);
  await comparePaired(aligned.before, aligned.after, mask, threshold, options.signal);
  const compared = aligned.covered - clearIgnored(mask, ignored);
  const changedPixels = sum(mask.data);
  const regions = changedRegions(mask, maxRegions).map((region) => ({
    before: aligned.toBefore(region),
    after: aligned.toAfter(region),
    changedPixels: region.changedPixels,
  }));
  return {
    identical: aligned.alignment === 'same' && samePixels(aligned.before, aligned.after, ignored),
    ...sizes,
    alignment: aligned.alignment,
    changedPixels,
    changedShare: compared === 0 ? 0 : changedPixels / compared,
    regions,
    picture: (maxSide = 1600) => drawDifference(aligned, mask, maxSide),
  };
}

function unchanged(sizes: { before: Size; after: Size }, after: ImageInput): ImageDiff {
  const nothing = async (maxSide = 1600) => {
    const image = await after.pixels();
    const mask = { ...sizes.after, data: new Uint8Array(image.width * image.height) };
    return drawDifference(alignImages(image, image), mask, maxSide);
  };
  return {
    identical: true,
    ...sizes,
    alignment: 'same',
    changedPixels: 0,
    changedShare: 0,
    regions: [],
    picture: nothing,
  };
}

function checkIgnored(regions: readonly Region[], image: Size): void {
  if (regions.length > MAX_IGNORE_REGIONS) {
    throw new AfterimageError(
      'INVALID_REGION',
      `At most ${MAX_IGNORE_REGIONS} regions can be ignored and ${regions.length} were given; join those that touch.`,
    );
  }
  for (const region of regions) checkRegion(region, image);
}

/** Marks changed pixels of the area that both images cover, band by band. */
async function comparePaired(
  a: RgbImage,
  b: RgbImage,
  mask: ChangeMask,
  threshold: number,
  signal?: AbortSignal,
): Promise<void> {
  const width = Math.min(a.width, b.width);
  const height = Math.min(a.height, b.height);
  const rows = Math.max(16, Math.floor(BAND_PIXELS / width));
  for (let top = 0; top < height; top += rows) {
    if (signal?.aborted) throw new AfterimageError('CANCELLED', 'The request was cancelled.');
    const bottom = Math.min(height, top + rows);
    const from = Math.max(0, top - HALO);
    const to = Math.min(height, bottom + HALO);
    const marks = new Uint8Array(width * (to - from) * 4);
    pixelmatch(toRgba(a, width, from, to), toRgba(b, width, from, to), marks, width, to - from, {
      threshold,
      diffMask: true,
    });
    for (let y = top; y < bottom; y++) {
      for (let x = 0; x < width; x++) {
        if (marks[((y - from) * width + x) * 4 + 3] !== 0) mask.data[y * mask.width + x] = 1;
      }
    }
    await new Promise(setImmediate);
  }
}

/** Rows [from, to) of the first `width` columns, opaque. */
function toRgba(image: RgbImage, width: number, from: number, to: number): Uint8Array {
  const rgba = new Uint8Array(width * (to - from) * 4);
  let t = 0;
  for (let y = from; y < to; y++) {
    let s = y * image.width * 3;
    for (let x = 0; x < width; x++, s += 3, t += 4) {
      rgba[t] = image.data[s]!;
      rgba[t + 1] = image.data[s + 1]!;
      rgba[t + 2] = image.data[s + 2]!;
      rgba[t + 3] = 255;
    }
  }
  return rgba;
}

function ignoredMask(regions: readonly Region[], frame: Size): Uint8Array | undefined {
  if (regions.length === 0) return undefined;
  const ignored = new Uint8Array(frame.width * frame.height);
  for (const { x, y, width, height } of regions) {
    for (let row = y; row < y + height; row++)
      ignored.fill(1, row * frame.width + x, row * frame.width + x + width);
  }
  return ignored;
}

/** @returns How many pixels are ignored; they lie in the second image. */
function clearIgnored(mask: ChangeMask, ignored: Uint8Array | undefined): number {
  if (!ignored) return 0;
  for (let i = 0; i < ignored.length; i++) if (ignored[i]) mask.data[i] = 0;
  return sum(ignored);
}

function samePixels(a: RgbImage, b: RgbImage, ignored: Uint8Array | undefined): boolean {
  for (let i = 0; i < a.data.length; i++) {
    if (a.data[i] !== b.data[i] && !ignored?.[Math.floor(i / 3)]) return false;
  }
  return true;
}

function sum(data: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < data.length; i++) total += data[i]!;
  return total;
}

function sizeOf({ width, height }: Size): Size {
  return { width, height };
}
