// What differs between two images, pixel by pixel and without a model: sizes, share, regions, a picture of it.
// Anti-aliasing is told from change by pixelmatch (Vyšniauskas, "Anti-aliased pixel and intensity slope detector").
import type { ImageInput } from './rgb-image.js';
import { AfterimageError } from '../errors.js';
import type { DiffFacts } from './diff-work.js';
import { compared, drawn } from './pixel-jobs.js';
import { checkRegion, type Region, type Size } from './region.js';

export type { DiffRegion } from './diff-work.js';

export interface DiffOptions {
  /** Colour distance that counts as a change, 0 (any) to 1; 0.1 by default. */
  threshold?: number;
  /** In pixels of the second image; what lies in them is not compared. */
  ignoreRegions?: readonly Region[];
  /** At most so many changed regions; 12 by default. Nearby ones are joined until they fit. */
  maxRegions?: number;
  signal?: AbortSignal;
}

export interface ImageDiff extends DiffFacts {
  before: Size;
  after: Size;
  /** PNG of the second image, faded, with changed pixels in red; neither side longer than `maxSide`. */
  picture(maxSide?: number): Promise<Uint8Array>;
}

export const MAX_IGNORE_REGIONS = 100;

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

  const pair = { before: await before.pixels(), after: await after.pixels() };
  const found = await compared(
    { ...pair, threshold, ignoreRegions: [...ignoreRegions], maxRegions },
    { signal: options.signal },
  ).catch((cause: unknown) => {
    if (!options.signal?.aborted) throw cause;
    throw new AfterimageError('CANCELLED', 'The request was cancelled.', { cause });
  });
  const { mask, ...facts } = found;
  return { ...facts, ...sizes, picture: (maxSide = 1600) => drawn({ ...pair, mask, maxSide }) };
}

function unchanged(sizes: { before: Size; after: Size }, after: ImageInput): ImageDiff {
  const nothing = async (maxSide = 1600) => {
    const image = await after.pixels();
    const mask = { ...sizes.after, data: new Uint8Array(image.width * image.height) };
    return drawn({ before: image, after: image, mask, maxSide });
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

function sizeOf({ width, height }: Size): Size {
  return { width, height };
}
