// Two images compared pixel by pixel. Runs in worker threads: a hundred megapixels take seconds.
// Anti-aliasing is told from change by pixelmatch (Vyšniauskas, "Anti-aliased pixel and intensity slope detector").
import pixelmatch from 'pixelmatch';
import { sharedBytes } from '../workers/shared-bytes.js';
import { alignImages, type Alignment } from './diff-alignment.js';
import { drawDifference } from './diff-picture.js';
import { changedRegions, type ChangeMask } from './diff-regions.js';
import type { Region, Size } from './region.js';
import type { RgbImage } from './rgb-image.js';

interface Pair {
  before: RgbImage;
  after: RgbImage;
}

export interface DiffRegion {
  /** In pixels of each image; absent where that image has nothing there. */
  before?: Region;
  after?: Region;
  changedPixels: number;
}

/** What pixels alone say about two images. */
export interface DiffFacts {
  /** Every compared pixel is equal, bit by bit. */
  identical: boolean;
  alignment: Alignment;
  changedPixels: number;
  /** Of the compared pixels, 0 to 1. Anti-aliasing and differences below the threshold do not count. */
  changedShare: number;
  /** Largest first. */
  regions: DiffRegion[];
}

type Found = DiffFacts & { mask: ChangeMask };

export function compare({
  before,
  after,
  threshold,
  ignoreRegions,
  maxRegions,
}: Pair & { threshold: number; ignoreRegions: Region[]; maxRegions: number }): Found {
  const aligned = alignImages(before, after);
  const { frame } = aligned;
  const mask = { ...frame, data: sharedBytes(frame.width * frame.height) };
  const ignored = ignoredMask(ignoreRegions.map(aligned.fromAfter), frame);
  aligned.markUnpaired(mask.data);
  comparePaired(aligned.before, aligned.after, mask, threshold);
  const covered = aligned.covered - clearIgnored(mask, ignored);
  const changedPixels = sum(mask.data);
  const regions = changedRegions(mask, maxRegions).map((region) => ({
    before: aligned.toBefore(region),
    after: aligned.toAfter(region),
    changedPixels: region.changedPixels,
  }));
  return {
    identical: aligned.alignment === 'same' && samePixels(aligned.before, aligned.after, ignored),
    alignment: aligned.alignment,
    changedPixels,
    changedShare: covered === 0 ? 0 : changedPixels / covered,
    regions,
    mask,
  };
}

/** PNG; see `diff-picture.ts`. */
export async function draw({
  before,
  after,
  mask,
  maxSide,
}: Pair & { mask: ChangeMask; maxSide: number }): Promise<Uint8Array> {
  return Uint8Array.from(await drawDifference(alignImages(before, after), mask, maxSide));
}

/** Pixels compared at once: what a band needs beside the images is a few times as much. */
const BAND_PIXELS = 1 << 20;

/** Rows beyond a band that decide about its anti-aliasing: a neighbour's neighbours. */
const HALO = 2;

/** Marks changed pixels of the area that both images cover, band by band. */
function comparePaired(a: RgbImage, b: RgbImage, mask: ChangeMask, threshold: number): void {
  const width = Math.min(a.width, b.width);
  const height = Math.min(a.height, b.height);
  const rows = Math.max(16, Math.floor(BAND_PIXELS / width));
  for (let top = 0; top < height; top += rows) {
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
