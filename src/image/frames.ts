// Frames of a timeline, two at a time: what each moment is, and the one picture that its frames are on their way to a model.
import { AfterimageError } from '../errors.js';
import { FRAMES_A_MOMENT, MOST_FRAMES, type Moment, type RgbImage } from './rgb-image.js';

export interface TimedFrame<T> {
  frame: T;
  /** From the beginning of the timeline. */
  seconds: number;
}

export interface FramesOf<T> {
  frames: [T, T];
  moment: Moment;
}

/** In their order; where frames are odd, the last is seen twice. @param rate Frames a second. */
export function momentsOf<T>(timeline: readonly TimedFrame<T>[], rate: number): FramesOf<T>[] {
  const count = Math.ceil(timeline.length / FRAMES_A_MOMENT);
  return Array.from({ length: count }, (_, index) => {
    const first = timeline[index * FRAMES_A_MOMENT]!;
    const second = timeline[index * FRAMES_A_MOMENT + 1] ?? first;
    const seconds = (first.seconds + second.seconds) / 2;
    return {
      frames: [first.frame, second.frame],
      moment: { index, frames: timeline.length, seconds, rate },
    };
  });
}

/** One above the other. @throws TypeError where their sizes differ */
export function stacked([upper, lower]: readonly [RgbImage, RgbImage]): RgbImage {
  const { width, height } = upper;
  if (lower.width !== width || lower.height !== height)
    throw new TypeError(
      `Expected two frames of ${width}×${height} but received one of ${lower.width}×${lower.height}`,
    );
  const data = new Uint8Array(upper.data.length * FRAMES_A_MOMENT);
  data.set(upper.data);
  data.set(lower.data, upper.data.length);
  return { width, height: height * FRAMES_A_MOMENT, data };
}

export function tooManyFrames(what: string, count: number, next: string): AfterimageError {
  return new AfterimageError(
    'TOO_MANY_IMAGES',
    `${what} has ${count} frames, and a timeline at most ${MOST_FRAMES}; ${next}.`,
  );
}
