// References → the moments of one timeline: frames of one size, in their order, or what an animation shows.
import { AfterimageError } from '../errors.js';
import { momentsOf, tooManyFrames, type TimedFrame } from './frames.js';
import { loadImage, type ImageContext, type LoadedImage } from './load.js';
import { animated, identityOf, stack } from './pixel-jobs.js';
import { LEAST_RATE, MOST_FRAMES, MOST_RATE, type ImageInput, type Moment } from './rgb-image.js';
import { readSource } from './source.js';

/** A moment as a model looks at it, and what its frames are called. */
export interface LoadedMoment extends ImageInput {
  moment: Moment;
  /** Of its first frame. */
  imageId: string;
  name: string;
}

/**
 * @param references Frames, or one animation.
 * @param rate Frames a second: of the list as they are, of an animation as they are looked at.
 * @throws AfterimageError INVALID_ARGUMENT, TOO_MANY_IMAGES and as `loadImage`
 */
export async function loadTimeline(
  references: readonly string[],
  rate: number,
  context: ImageContext,
  signal?: AbortSignal,
): Promise<LoadedMoment[]> {
  checkRate(rate);
  if (references.length > MOST_FRAMES)
    throw tooManyFrames(
      'This timeline',
      references.length,
      'leave some out, or put the others in a later call',
    );
  const [only, ...more] = references;
  if (only !== undefined && more.length === 0) return ofAnimation(only, rate, context, signal);
  const frames: TimedFrame<LoadedImage>[] = [];
  // One after the other: decoding many at once would multiply the peak of memory.
  for (const [i, reference] of references.entries())
    frames.push({ frame: await loadImage(reference, context, signal), seconds: i / rate });
  checkSizes(frames.map(({ frame }) => frame));
  return moments(frames, rate, context);
}

/** @throws AfterimageError INVALID_ARGUMENT */
export function checkRate(rate: number): void {
  if (rate >= LEAST_RATE && rate <= MOST_RATE) return;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `fps is frames a second, between ${LEAST_RATE} and ${MOST_RATE}, and was ${rate}; models are trained with 2.`,
  );
}

async function ofAnimation(
  reference: string,
  rate: number,
  context: ImageContext,
  signal?: AbortSignal,
): Promise<LoadedMoment[]> {
  const { limits, alpha } = context;
  const { bytes, name } = await readSource(reference, { ...context, signal });
  const { frames, rate: sampled } = await animated({ bytes, name, limits, alpha, rate });
  const loaded = frames.map(({ frame, seconds }, i): TimedFrame<LoadedImage> => {
    const { png, hash, identity } = frame;
    const called = `${name}, frame at ${seconds.toFixed(1)} s`;
    context.memo.set(hash, identity);
    const { imageId } = context.store.put(png, called, identity);
    const pixels = async () => (await loadImage(imageId, context)).pixels();
    return { frame: { ...identity, imageId, name: i === 0 ? name : called, bytes: png, pixels }, seconds };
  });
  return moments(loaded, sampled, context);
}

/** @throws AfterimageError INVALID_ARGUMENT */
function checkSizes(frames: readonly LoadedImage[]): void {
  const { width, height } = frames[0]!;
  const other = frames.findIndex((frame) => frame.width !== width || frame.height !== height);
  if (other < 0) return;
  const { width: w, height: h } = frames[other]!;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `Frames of a timeline have one size, but frame ${other + 1} is ${w} × ${h} and the first ${width} × ${height}; make them alike, or leave fps out.`,
  );
}

function moments(
  timeline: readonly TimedFrame<LoadedImage>[],
  rate: number,
  context: ImageContext,
): Promise<LoadedMoment[]> {
  return inOrder(momentsOf(timeline, rate), async ({ frames: [upper, lower], moment }) => {
    const again = (imageId: string) => async () => (await loadImage(imageId, context)).pixels();
    const [first, second] = [again(upper.imageId), again(lower.imageId)];
    const pixels = async () => stack([await first(), await second()]);
    const key = `moment ${upper.pixelHash} ${lower.pixelHash}`;
    const known = context.memo.get(key);
    const identity = known ?? (await identityOf(await stack([await upper.pixels(), await lower.pixels()])));
    if (!known) context.memo.set(key, identity);
    return { ...identity, moment, imageId: upper.imageId, name: upper.name, pixels };
  });
}

async function inOrder<T, U>(items: readonly T[], work: (item: T) => Promise<U>): Promise<U[]> {
  const done: U[] = [];
  for (const item of items) done.push(await work(item));
  return done;
}
