// 8-bit resizing as torch's antialiased `interpolate` does it: Pillow's filters and passes with weights of 16 bits.
// For families whose reference processor runs on tensors only; the two differ by at most one grey level.
// Method: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cpu/UpSampleKernel.cpp
import { FILTER_BY_CODE } from '../../image/resize.js';
import type { Config } from '../checkpoint/config.js';
import type { RgbImage } from '../../image/rgb-image.js';

export type TensorFilter = 'bilinear' | 'bicubic';

/** Pillow's codes for the two filters. */
export function tensorFilter(settings: Config, fallback: TensorFilter): TensorFilter {
  const name = FILTER_BY_CODE[settings.number('resample', -1)] ?? fallback;
  return name === 'bilinear' || name === 'bicubic' ? name : fallback;
}

const SUPPORT: Record<TensorFilter, number> = { bilinear: 1, bicubic: 2 };
const KERNEL: Record<TensorFilter, (x: number) => number> = {
  bilinear: (x) => Math.max(0, 1 - Math.abs(x)),
  bicubic: (x) => cubic(Math.abs(x)),
};

/** Keys' cubic convolution with a = −0.5. */
function cubic(x: number): number {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}

/** For each output sample: its first source sample and its weights, scaled by 2^precision. */
interface Taps {
  first: number[];
  weights: Int16Array[];
  precision: number;
}

export function tensorResize(image: RgbImage, width: number, height: number, filter: TensorFilter): RgbImage {
  const across =
    image.width === width ? image : pass(image, resampleTaps(image.width, width, filter), width, true);
  return image.height === height
    ? across
    : pass(across, resampleTaps(image.height, height, filter), height, false);
}

function resampleTaps(from: number, to: number, filter: TensorFilter): Taps {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = SUPPORT[filter] * stretch;
  const first: number[] = [];
  const exact: number[][] = [];
  for (let i = 0; i < to; i++) {
    const centre = scale * (i + 0.5);
    const low = Math.max(Math.trunc(centre - support + 0.5), 0);
    const high = Math.min(Math.trunc(centre + support + 0.5), from);
    const weights = Array.from({ length: high - low }, (_, j) =>
      KERNEL[filter]((j + low - centre + 0.5) / stretch),
    );
    const total = weights.reduce((a, b) => a + b, 0);
    first.push(low);
    exact.push(weights.map((weight) => weight / total));
  }
  // Taps of long sides are more than a call takes as arguments.
  const largest = exact.reduce((most, row) => row.reduce((a, b) => Math.max(a, b), most), 0);
  const precision = weightBits(largest);
  return {
    first,
    weights: exact.map((row) =>
      Int16Array.from(row, (weight) => Math.trunc(weight * 2 ** precision + (weight < 0 ? -0.5 : 0.5))),
    ),
    precision,
  };
}

/** As many fraction bits as keep the largest weight within 16 bits. */
function weightBits(largest: number): number {
  let bits = 0;
  while (bits < 22 && Math.trunc(0.5 + largest * 2 ** (bits + 1)) < 1 << 15) bits++;
  return bits;
}

/** One axis; `size` is the new length of that axis. */
function pass(
  image: RgbImage,
  { first, weights, precision }: Taps,
  size: number,
  horizontal: boolean,
): RgbImage {
  const [width, height] = horizontal ? [size, image.height] : [image.width, size];
  const step = horizontal ? 3 : image.width * 3;
  const data = new Uint8Array(width * height * 3);
  const half = 1 << (precision - 1);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = horizontal ? x : y;
      const row = weights[at]!;
      const from = horizontal ? (y * image.width + first[at]!) * 3 : (first[at]! * image.width + x) * 3;
      for (let c = 0; c < 3; c++) {
        let sum = half;
        for (let t = 0; t < row.length; t++) sum += row[t]! * image.data[from + c + t * step]!;
        data[(y * width + x) * 3 + c] = Math.min(255, Math.max(0, sum >> precision));
      }
    }
  }
  return { width, height, data };
}
