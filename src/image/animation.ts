// Frames of an animated GIF or WebP, as many a second as are wanted, evenly from the first to the last one: how references
// sample videos, https://github.com/huggingface/transformers (video_processing_qwen3_vl.py, sample_frames).
import { AfterimageError } from '../errors.js';
import { composed, withoutAlpha } from './alpha.js';
import { readHeader } from './decode.js';
import type { TimedFrame } from './frames.js';
import { tooManyFrames } from './frames.js';
import type { AlphaHandling, ImageLimits } from './limits.js';
import { MOST_FRAMES, type RgbImage } from './rgb-image.js';
import { sharp } from './sharp.js';

/** Short animations are not sampled down to less. */
const FEWEST = 4;
/** A file with more is no animation that anyone watches. */
const MOST_STORED = 4096;
/** Pixels that are decoded at a time. */
const BATCH_PIXELS = 2 ** 24;
/** What viewers show instead of delays that are too short, in milliseconds. */
const USUAL_DELAY = 100;
const SHORTEST_DELAY = 20;
const DECODE_SECONDS = 30;

export interface Animation {
  frames: TimedFrame<RgbImage>[];
  /** Of the frames, a second. */
  rate: number;
}

/**
 * @param rate Frames wanted of each second.
 * @throws AfterimageError INVALID_ARGUMENT (a still picture), TOO_MANY_IMAGES and as `decode`
 */
export async function animation(
  bytes: Uint8Array,
  name: string,
  rate: number,
  limits: ImageLimits,
  alpha: AlphaHandling,
): Promise<Animation> {
  const { format } = await readHeader(bytes, name, limits);
  const animated = format === 'gif' || format === 'webp';
  const { pages = 1, delay = [], width, pageHeight } = animated ? await metadataOf(bytes, name) : {};
  if (pages < 2 || width === undefined || pageHeight === undefined) throw still(name);
  if (pages > MOST_STORED) throw tooManyFrames(name, pages, 'cut a part out of it');
  const times = timesOf(pages, delay);
  const wanted = sampled(pages, times.end, rate);
  if (wanted.length > MOST_FRAMES) {
    const most = (MOST_FRAMES / times.end).toPrecision(2);
    throw tooManyFrames(
      `${name} at ${rate} frames a second`,
      wanted.length,
      `give a lower fps, such as ${most}`,
    );
  }
  const images = await decoded(bytes, name, wanted, width * pageHeight, alpha);
  return {
    frames: images.map((frame, i) => ({ frame, seconds: times.starts[wanted[i]!]! })),
    rate: wanted.length / times.end,
  };
}

async function metadataOf(bytes: Uint8Array, name: string) {
  return orDamaged(name, () => sharp(bytes, { limitInputPixels: false, pages: -1 }).metadata());
}

/** In seconds: when each frame begins, and when the last one ends. */
function timesOf(pages: number, delays: readonly number[]): { starts: number[]; end: number } {
  const starts: number[] = [];
  let at = 0;
  for (let page = 0; page < pages; page++) {
    starts.push(at / 1000);
    const delay = delays[page] ?? USUAL_DELAY;
    at += delay < SHORTEST_DELAY ? USUAL_DELAY : delay;
  }
  return { starts, end: at / 1000 };
}

/** Which frames are looked at. */
function sampled(pages: number, seconds: number, rate: number): number[] {
  const count = Math.min(Math.max(Math.floor(seconds * rate), FEWEST), pages);
  return Array.from({ length: count }, (_, i) => Math.round((i * (pages - 1)) / (count - 1)));
}

/** Frames depend on those before, so they are decoded from one wanted frame to the next, few at a time. */
async function decoded(
  bytes: Uint8Array,
  name: string,
  wanted: readonly number[],
  area: number,
  alpha: AlphaHandling,
): Promise<RgbImage[]> {
  const together = Math.max(1, Math.floor(BATCH_PIXELS / area));
  const images: RgbImage[] = [];
  while (images.length < wanted.length) {
    const page = wanted[images.length]!;
    const last = wanted.findLast((frame) => frame < page + together)!;
    const strip = await orDamaged(name, () =>
      sharp(bytes, { page, pages: last - page + 1, failOn: 'error', limitInputPixels: false })
        .timeout({ seconds: DECODE_SECONDS })
        .toColourspace('srgb')
        .ensureAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true }),
    );
    const { width } = strip.info;
    const height = area / width;
    for (const frame of wanted.slice(images.length).filter((at) => at <= last)) {
      const from = (frame - page) * area * 4;
      const data = Uint8Array.from(strip.data.subarray(from, from + area * 4));
      images.push(
        alpha === 'dropped' ? withoutAlpha({ width, height, data }) : composed({ width, height, data }),
      );
    }
  }
  return images;
}

async function orDamaged<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new AfterimageError(
      'IMAGE_UNREADABLE',
      `${name} is damaged or incomplete, or takes too long to read; save the animation again, or give single frames.`,
      { cause },
    );
  }
}

function still(name: string): AfterimageError {
  return new AfterimageError(
    'INVALID_ARGUMENT',
    `${name} is a single picture and no animation; leave fps out, or give chat_with_images at least two frames.`,
  );
}
