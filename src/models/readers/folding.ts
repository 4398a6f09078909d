// Arithmetic on a layer's weights: whatever is linear behind a convolution becomes part of it.
import type { ConvolutionLayer } from './networks.js';

/** Behind the layer: y · scale[c] + shift[c], by output channel or one for all. Before its activation. */
export function affine(
  layer: ConvolutionLayer,
  scale: ArrayLike<number>,
  shift: ArrayLike<number>,
): ConvolutionLayer {
  const out = layer.shape[0]!;
  const size = layer.weight.length / out;
  const at = (values: ArrayLike<number>, o: number): number => values[values.length === 1 ? 0 : o]!;
  // Millions of weights each time a program starts: plain loops.
  const weight = new Float32Array(layer.weight.length);
  for (let o = 0, i = 0; o < out; o++) {
    const factor = at(scale, o);
    for (const end = i + size; i < end; i++) weight[i] = layer.weight[i]! * factor;
  }
  const bias = layer.bias.map((b, o) => b * at(scale, o) + at(shift, o));
  return { ...layer, weight, bias };
}

/** Batch normalization with its running statistics. Ioffe & Szegedy 2015. */
export function batchNorm(
  layer: ConvolutionLayer,
  norm: { weight: Float32Array; bias: Float32Array; mean: Float32Array; variance: Float32Array; eps: number },
): ConvolutionLayer {
  const scale = Array.from(norm.weight, (w, c) => w / Math.sqrt(norm.variance[c]! + norm.eps));
  const shift = Array.from(norm.bias, (b, c) => b - norm.mean[c]! * scale[c]!);
  return affine(layer, scale, shift);
}

/** [out, in] from [in, out]. */
export function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c]!;
  return out;
}

export function repeated(values: Float32Array, times: number): Float32Array {
  return new Float32Array(values.length * times).map((_, i) => values[i % values.length]!);
}

/** A transposed convolution [in, out, 2, 2] of stride 2 as one of 1 × 1 with outputs (i·2 + j)·out + o. */
export function doubled(
  data: Float32Array,
  inputs: number,
  outs: number,
  bias: Float32Array,
): ConvolutionLayer {
  const weight = new Float32Array(data.length);
  for (let c = 0; c < inputs; c++)
    for (let o = 0; o < outs; o++)
      for (let p = 0; p < 4; p++) weight[(p * outs + o) * inputs + c] = data[(c * outs + o) * 4 + p]!;
  return { shape: [4 * outs, inputs, 1, 1], weight, bias: repeated(bias, 4), stride: [1, 1] };
}

/** A kernel of 1 × 1 in the middle of a larger one. */
export function widened(layer: ConvolutionLayer, [ky, kx]: number[]): ConvolutionLayer {
  const [out, inside] = layer.shape as [number, number];
  const taps = ky! * kx!;
  const weight = new Float32Array(out * inside * taps);
  for (let i = 0; i < layer.weight.length; i++) weight[i * taps + Math.floor(taps / 2)] = layer.weight[i]!;
  return { ...layer, shape: [out, inside, ky!, kx!], weight };
}

/** The same network for inputs whose channels come in the opposite order (BGR for RGB). */
export function reversedChannels(layer: ConvolutionLayer): ConvolutionLayer {
  const [, inside, ky, kx] = layer.shape as [number, number, number, number];
  const taps = ky * kx;
  const weight = layer.weight.map((_, i) => {
    const [rest, channel, tap] = [Math.floor(i / (inside * taps)), Math.floor(i / taps) % inside, i % taps];
    return layer.weight[(rest * inside + inside - 1 - channel) * taps + tap]!;
  });
  return { ...layer, weight };
}
