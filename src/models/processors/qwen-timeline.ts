// Moments of a timeline for Qwen VL: two frames in one temporal patch, in a size of which the video processor has limits of
// its own, and what stands in the prompt for them. https://github.com/huggingface/transformers (video_processing_qwen2_vl.py,
// video_processing_qwen3_vl.py)
import { FRAMES_A_MOMENT, type Moment } from '../../image/rgb-image.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { Config } from '../checkpoint/config.js';
import type { Grid, MomentPlan } from '../family.js';
import { imageTokens } from './placeholder.js';
import { roundHalfEven, smartResize, type PixelLimits, type Size } from './smart-resize.js';

/** How a family sees a timeline. */
export interface QwenTimeline {
  videoToken: string;
  /** Class default of the reference. */
  limits: PixelLimits;
  /**
   * Each moment is a block behind its time in words, inside the marks of the whole, and limits count all frames; else all
   * are one block, and limits are of each frame.
   */
  told: boolean;
  /** Steps of time in a second, where moments are as many steps apart as they are in time; else each is one step. */
  stepsPerSecond?: number;
}

/** Of the video processor, wherever the checkpoint has its settings: `min_pixels` and `max_pixels`, or areas under `size`. */
export function timelineLimits({ videoProcessor }: Checkpoint, { limits }: QwenTimeline): PixelLimits {
  const settings = new Config(videoProcessor ?? {}, 'video_preprocessor_config.json');
  const size = settings.sectionOr('size', settings);
  const stated = (old: string, edge: string, fallback: number): number =>
    settings.has(old) ? settings.count(old) : size.count(edge, fallback);
  return {
    minPixels: stated('min_pixels', 'shortest_edge', limits.minPixels),
    maxPixels: stated('max_pixels', 'longest_edge', limits.maxPixels),
  };
}

/** The size in which each frame is seen. @param size Where limits count all frames, no side is less than `unit`. */
export function frameSize(
  size: Size,
  unit: number,
  limits: PixelLimits,
  { frames }: Moment,
  { told }: QwenTimeline,
): Size {
  if (!told) return smartResize(size, unit, limits);
  // Half of five frames is two to Python, so those count as four.
  const whole = roundHalfEven(frames / FRAMES_A_MOMENT) * FRAMES_A_MOMENT;
  return smartResize(size, unit, limits, 0, { frames, whole });
}

/** What stands in the prompt for a moment of so many tokens, and where its positions are. */
export function momentLayout(
  { videoToken, told, stepsPerSecond }: QwenTimeline,
  { index, seconds, rate }: Moment,
  tokens: number,
): { placeholder: string; moment: MomentPlan; grid: Pick<Grid, 'later'> } {
  const rows = imageTokens(videoToken, tokens);
  const continues = index > 0;
  if (told) {
    const placeholder = `<${inTenths(seconds)} seconds><|vision_start|>${rows}<|vision_end|>`;
    return { placeholder, moment: { continues }, grid: {} };
  }
  const steps = stepsPerSecond === undefined ? 1 : single(stepsPerSecond * single(FRAMES_A_MOMENT / rate));
  const later = Math.trunc(single(index * steps));
  return { placeholder: rows, moment: { continues }, grid: continues ? { later } : {} };
}

/** The reference reckons in single precision before it cuts. */
const single = Math.fround;

/** As Python writes a number with one digit: where two are as near, as of quarters, the even one. */
function inTenths(seconds: number): string {
  const quarters = Number.isInteger(seconds * 4);
  return (quarters ? roundHalfEven(seconds * 10) / 10 : seconds).toFixed(1);
}
