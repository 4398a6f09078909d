// The two networks of a reader as data: every layer with what is linear about it (batch norms, affine blocks, branches)
// folded into its weights. Checkpoint readers make these; detector.ts and recogniser.ts write them as programs.
import type { ActivationName } from '../../graph/builder.js';

/** Rows of the lines that the recogniser sees, and columns of each of its steps. */
export const LINE_HEIGHT = 48;
export const STEP_COLUMNS = 8;

/** y = f(W * x + bias) · scale + shift, zero padding of half the kernel. */
export interface ConvolutionLayer {
  /** [out, in / groups, kernelY, kernelX] */
  shape: number[];
  weight: Float32Array;
  bias: Float32Array;
  stride: [number, number];
  activation?: ActivationName;
  scale?: number;
  shift?: number;
}

/** x · Wᵀ + bias; weight[out, in]. */
export interface LinearLayer {
  shape: number[];
  weight: Float32Array;
  bias: Float32Array;
}

export interface NormLayer {
  weight: Float32Array;
  bias: Float32Array;
  eps: number;
}

/** Squeeze and excite: Hu et al. 2018, https://arxiv.org/abs/1709.01507. */
export type Gate = [squeeze: ConvolutionLayer, excite: ConvolutionLayer];

export interface LcNetBlock {
  depthwise: ConvolutionLayer;
  gate?: Gate;
  pointwise: ConvolutionLayer;
}

/** PP-LCNetV3; a stage ends where its features are taken. */
export interface LcNet {
  stem: ConvolutionLayer;
  stages: LcNetBlock[][];
}

export interface GatedConvolution {
  convolution: ConvolutionLayer;
  gate: Gate;
}

/** A transposed convolution of 2 × 2 with stride 2, as one of 1 × 1: output (i·2 + j)·out + o is that of pixel (i, j). */
export type Doubling = ConvolutionLayer;

export interface DetectorNetwork {
  backbone: LcNet;
  /** By stage, the largest first. */
  laterals: ConvolutionLayer[];
  inserts: GatedConvolution[];
  inputs: GatedConvolution[];
  head: ConvolutionLayer;
  doublings: [Doubling, Doubling];
}

export interface SvtrBlock {
  norms: [NormLayer, NormLayer];
  qkv: LinearLayer;
  projection: LinearLayer;
  mlp: [LinearLayer, LinearLayer];
}

export interface RecogniserNetwork {
  backbone: LcNet;
  /** Reduce, widen (to the attention's width); restore, reduce again, widen again. */
  neck: ConvolutionLayer[];
  heads: number;
  blocks: SvtrBlock[];
  norm: NormLayer;
  classes: LinearLayer;
}
