// The size to which an image is resized so that both sides are multiples of `factor` and its area lies within limits.
// The rule of Qwen2-VL, which LFM2-VL uses for single images. Python's round is half to even.

export interface PixelLimits {
  minPixels: number;
  maxPixels: number;
}

export interface Size {
  width: number;
  height: number;
}

/** Frames that one limit counts together, and how many they are once their last patch in time is whole. */
export interface Volume {
  frames: number;
  whole: number;
}

const STILL: Volume = { frames: 1, whole: 1 };

export function smartResize(
  image: Size,
  factor: number,
  { minPixels, maxPixels }: PixelLimits,
  smallest = 0,
  { frames, whole }: Volume = STILL,
): Size {
  const area = frames * image.width * image.height;
  const rounded = eachSide(image, (side) => Math.max(smallest, roundHalfEven(side / factor) * factor));
  const roundedArea = whole * rounded.width * rounded.height;
  if (roundedArea > maxPixels) {
    const beta = Math.sqrt(area / maxPixels);
    return eachSide(image, (side) => Math.max(factor, Math.floor(side / beta / factor) * factor));
  }
  if (roundedArea < minPixels) {
    const beta = Math.sqrt(minPixels / area);
    return eachSide(image, (side) => Math.ceil((side * beta) / factor) * factor);
  }
  return rounded;
}

/**
 * The size that a rule gave or, where that is more than `maxPixels`, nearly the same shape with at most so many, in whole
 * multiples of `unit`. No side is longer than it was, nor less than one unit unless it was.
 */
export function withinPixels(size: Size, maxPixels: number, unit: number): Size {
  const scale = Math.sqrt(maxPixels / (size.width * size.height));
  if (scale >= 1) return size;
  return eachSide(size, (side) => Math.min(side, Math.max(unit, Math.floor((side * scale) / unit) * unit)));
}

export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

function eachSide({ width, height }: Size, rule: (side: number) => number): Size {
  return { width: rule(width), height: rule(height) };
}
