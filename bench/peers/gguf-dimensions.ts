// Dimensions of published checkpoints as llama.cpp names them: decoders as in ../dimensions.ts, vision towers, and what each asks of a machine.

import { TEXT, type Decoder } from '../dimensions.js';

export interface DecoderDimensions extends Omit<Decoder, 'qkNorm'> {
  /** llama.cpp's name of the architecture. */
  architecture: 'qwen2vl' | 'llama';
  ropeBase: number;
  /** Of M-RoPE: time, height, width. */
  ropeSections?: [number, number, number];
  tied: boolean;
}

export interface TowerDimensions {
  projector: 'qwen2vl_merger' | 'idefics3';
  gelu: 'gelu' | 'quick';
  hidden: number;
  intermediate: number;
  layers: number;
  heads: number;
  patch: number;
  /** Pixels of a tile's side; with `qwen2vl_merger` no limit. */
  imageSize: number;
  /** Patches of a side that become one token. */
  merge: number;
  /** Width of the decoder. */
  out: number;
  /** To which a picture is scaled before it is cut into tiles. */
  longestEdge?: number;
}

export interface PeerDimensions {
  decoder: DecoderDimensions;
  tower: TowerDimensions;
  /** Tokens that the tower makes of a screenshot of 1280×800. */
  screenTokens: number;
}

export const PEER_DIMENSIONS: Record<string, PeerDimensions> = {
  'qwen2-vl-2b': {
    decoder: {
      architecture: 'qwen2vl',
      ...TEXT['qwen2-vl-2b'],
      ropeBase: 1e6,
      ropeSections: [16, 24, 24],
      tied: true,
    },
    tower: {
      projector: 'qwen2vl_merger',
      gelu: 'quick',
      hidden: 1280,
      intermediate: 5120,
      layers: 32,
      heads: 16,
      patch: 14,
      imageSize: 560,
      merge: 2,
      out: 1536,
    },
    screenTokens: 1334,
  },
  'smolvlm-256m': {
    decoder: {
      architecture: 'llama',
      ...TEXT['smolvlm-256m'],
      ropeBase: 1e5,
      tied: false,
    },
    tower: {
      projector: 'idefics3',
      gelu: 'gelu',
      hidden: 768,
      intermediate: 3072,
      layers: 12,
      heads: 12,
      patch: 16,
      imageSize: 512,
      merge: 4,
      out: 576,
      longestEdge: 2048,
    },
    screenTokens: 832,
  },
};

/** Bits of a 4-bit weight on either side: with a bf16 scale and offset for 64 (ours), an f16 scale for 32 (Q4_0). */
const BITS = 4.5;

/** What one token asks of a decoder without its context: operations in the layers' matrices; bytes of these and of the output layer. */
export function decoderWork(d: DecoderDimensions): { operations: number; bytes: number } {
  const attention = 2 * d.hidden * d.headDim * (d.heads + d.kvHeads);
  const layers = d.layers * (attention + 3 * d.hidden * d.intermediate);
  return { operations: 2 * layers, bytes: ((layers + d.hidden * d.vocab) * BITS) / 8 };
}

/** Bytes of keys and values of one token in f16. */
export function keyValueBytes(d: DecoderDimensions): number {
  return d.layers * 2 * d.kvHeads * d.headDim * 2;
}

/** Operations of the tower's layers and projector. @param tokens Of the picture, as the decoder sees it. */
export function towerOperations(t: TowerDimensions, tokens: number): number {
  const patches = tokens * t.merge ** 2;
  const together = t.projector === 'idefics3' ? (t.imageSize / t.patch) ** 2 : patches;
  const linears = t.layers * (4 * t.hidden ** 2 + 2 * t.hidden * t.intermediate);
  const merged = t.hidden * t.merge ** 2;
  const projector = t.projector === 'idefics3' ? merged * t.out : merged * (merged + t.out);
  return 2 * (patches * linears + tokens * projector) + 4 * t.layers * t.hidden * patches * together;
}
