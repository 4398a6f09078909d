// 8-bit image resampling, equal to Pillow's bit for bit: models were trained on what Pillow makes of their images.
// Separable filters in two passes (horizontal, then vertical) with 22-bit fixed-point weights; the result of each pass
// is rounded and clamped to 8 bits. The support grows with the down-scale factor, so shrinking is always anti-aliased.
// Method: https://github.com/python-pillow/Pillow/blob/main/src/libImaging/Resample.c
import type { RgbImage } from './rgb-image.js';

export type ResizeFilter = 'bicubic' | 'bilinear' | 'lanczos' | 'nearest' | 'box' | 'hamming';

/** Pillow's codes, as found under `resample` in preprocessor_config.json. */
export const FILTER_BY_CODE: Readonly<Record<number, ResizeFilter>> = {
  0: 'nearest',
  1: 'lanczos',
  2: 'bilinear',
  3: 'bicubic',
  4: 'box',
  5: 'hamming',
};

/** 32 bits less 8 of the sample and 2 for sign and overshoot of the negative lobes. */
const PRECISION_BITS = 22;
const HALF = 1 << (PRECISION_BITS - 1);

interface Kernel {
  /** Half-width in source pixels at scale 1. */
  support: number;
  weight(x: number): number;
}

function sinc(x: number): number {
  if (x === 0) return 1;
  const t = x * Math.PI;
  return Math.sin(t) / t;
}

/** Keys' cubic convolution with a = -0.5. */
function cubic(signed: number): number {
  const a = -0.5;
  const x = Math.abs(signed);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function hamming(signed: number): number {
  const x = Math.abs(signed);
  if (x === 0) return 1;
  if (x >= 1) return 0;
  return sinc(x) * (0.54 + 0.46 * Math.cos(x * Math.PI));
}

const KERNELS: Record<Exclude<ResizeFilter, 'nearest'>, Kernel> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: { support: 1, weight: hamming },
  bicubic: { support: 2, weight: cubic },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** For each output sample: first source sample, number of taps, and `taps` fixed-point weights (row stride `taps`). */
interface Taps {
  taps: number;
  first: Int32Array;
  count: Int32Array;
  weights: Int32Array;
}

function planTaps(inSize: number, outSize: number, kernel: Kernel): Taps {
  const scale = inSize / outSize;
  const filterScale = Math.max(scale, 1);
  const support = kernel.support * filterScale;
  // One row of weights, padded with zeros to whole groups of four.
  const taps = Math.ceil((Math.ceil(support) * 2 + 1) / 4) * 4;
  const first = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const weights = new Int32Array(outSize * taps);
  const row = new Float64Array(taps);
  const inverse = 1 / filterScale;
  for (let out = 0; out < outSize; out++) {
    const center = (out + 0.5) * scale;
    const low = Math.max(0, Math.trunc(center - support + 0.5));
    const n = Math.min(inSize, Math.trunc(center + support + 0.5)) - low;
    let sum = 0;
    for (let i = 0; i < n; i++) {
      row[i] = kernel.weight((i + low - center + 0.5) * inverse);
      sum += row[i]!;
    }
    first[out] = low;
    count[out] = n;
    for (let i = 0; i < n; i++) weights[out * taps + i] = toFixed(sum === 0 ? row[i]! : row[i]! / sum);
  }
  return { taps, first, count, weights };
}

/** Rounds half away from zero. */
function toFixed(weight: number): number {
  return Math.trunc(weight * (1 << PRECISION_BITS) + (weight < 0 ? -0.5 : 0.5));
}

/** source [height, inWidth, 3] → [height, outWidth, 3] */
function horizontalPass(
  source: Uint8Array,
  inWidth: number,
  height: number,
  outWidth: number,
  plan: Taps,
): Uint8Array {
  const { taps, first, count, weights } = plan;
  const target = new Uint8Array(outWidth * height * 3);
  let t = 0;
  for (let y = 0; y < height; y++) {
    const line = y * inWidth * 3;
    for (let x = 0; x < outWidth; x++) {
      let r = HALF;
      let g = HALF;
      let b = HALF;
      let s = line + first[x]! * 3;
      const w0 = x * taps;
      const w1 = w0 + count[x]!;
      for (let w = w0; w < w1; w++) {
        const k = weights[w]!;
        r = (r + Math.imul(source[s]!, k)) | 0;
        g = (g + Math.imul(source[s + 1]!, k)) | 0;
        b = (b + Math.imul(source[s + 2]!, k)) | 0;
        s += 3;
      }
      target[t] = clamp(r >> PRECISION_BITS);
      target[t + 1] = clamp(g >> PRECISION_BITS);
      target[t + 2] = clamp(b >> PRECISION_BITS);
      t += 3;
    }
  }
  return target;
}

/** source [inHeight, width, 3] → [outHeight, width, 3]; `stride` is width * 3. */
function verticalPass(source: Uint8Array, stride: number, outHeight: number, plan: Taps): Uint8Array {
  const { taps, first, count, weights } = plan;
  const target = new Uint8Array(stride * outHeight);
  const sums = new Int32Array(stride);
  for (let y = 0; y < outHeight; y++) {
    sums.fill(HALF);
    const w = y * taps;
    const last = first[y]! + count[y]! - 1;
    for (let tap = 0; tap < count[y]!; tap += 4)
      addFourLines(sums, source, stride, first[y]! + tap, last, weights, w + tap);
    const t = y * stride;
    for (let i = 0; i < stride; i++) target[t + i] = clamp(sums[i]! >> PRECISION_BITS);
  }
  return target;
}

/** sums += lines from `line` on, weighted. Weights beyond the last line are 0 (the kernel row is padded). */
function addFourLines(
  sums: Int32Array,
  source: Uint8Array,
  stride: number,
  line: number,
  last: number,
  weights: Int32Array,
  w: number,
): void {
  const k0 = weights[w]!;
  const k1 = weights[w + 1]!;
  const k2 = weights[w + 2]!;
  const k3 = weights[w + 3]!;
  let a = line * stride;
  let b = Math.min(line + 1, last) * stride;
  let c = Math.min(line + 2, last) * stride;
  let d = Math.min(line + 3, last) * stride;
  for (let i = 0; i < sums.length; i++) {
    sums[i] =
      (sums[i]! +
        Math.imul(source[a++]!, k0) +
        Math.imul(source[b++]!, k1) +
        Math.imul(source[c++]!, k2) +
        Math.imul(source[d++]!, k3)) |
      0;
  }
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** Source index of each output sample. The step is added up, not multiplied: its rounding decides ties as Pillow does. */
function nearestIndices(inSize: number, outSize: number): Int32Array {
  const step = inSize / outSize;
  const indices = new Int32Array(outSize);
  for (let i = 0, at = step * 0.5; i < outSize; i++, at += step)
    indices[i] = Math.min(inSize - 1, Math.trunc(at));
  return indices;
}

function resizeNearest(image: RgbImage, width: number, height: number): RgbImage {
  const columns = nearestIndices(image.width, width);
  const lines = nearestIndices(image.height, height);
  const data = new Uint8Array(width * height * 3);
  let t = 0;
  for (let y = 0; y < height; y++) {
    const line = lines[y]! * image.width;
    for (let x = 0; x < width; x++) {
      const s = (line + columns[x]!) * 3;
      data[t++] = image.data[s]!;
      data[t++] = image.data[s + 1]!;
      data[t++] = image.data[s + 2]!;
    }
  }
  return { width, height, data };
}

/**
 * Resamples to width × height. The input is never changed; at equal size its pixels are returned as they are, shared.
 * @throws RangeError when a side is not a positive integer.
 */
export function resize(image: RgbImage, width: number, height: number, filter: ResizeFilter): RgbImage {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new RangeError(`Expected positive integers for width and height but received ${width} × ${height}`);
  }
  if (filter === 'nearest') return resizeNearest(image, width, height);
  const kernel = KERNELS[filter];
  let data = image.data;
  if (width !== image.width) {
    data = horizontalPass(data, image.width, image.height, width, planTaps(image.width, width, kernel));
  }
  if (height !== image.height) {
    data = verticalPass(data, width * 3, height, planTaps(image.height, height, kernel));
  }
  return { width, height, data };
}
