// Pieces that the vision encoders of Qwen2-VL, Qwen2.5-VL, Qwen3-VL and Qwen3.5 share: two-dimensional rotary
// positions, attention per image, and how M-RoPE's three axes are laid over the decoder's frequencies.
import type { GraphBuilder, Value } from '../../graph/builder.js';
import { rowsOf } from '../../graph/builder.js';
import type { NamedTensor } from '../family.js';
import { indexTensor } from '../processors/pixels.js';
import { mergeOrder, type PatchExtent } from '../processors/qwen-image.js';
import { geometricFrequencies } from '../rope.js';
import type { WeightScope } from '../checkpoint/weights.js';

const VISION_ROPE_THETA = 10000;

/** Half of the frequencies turn with the patch's row, half with its column. positions: i32 [patches, 2] */
export function visionRope(g: GraphBuilder, positions: Value, headDim: number): Value {
  const f = geometricFrequencies(VISION_ROPE_THETA, headDim / 2);
  return g.ropeTable(positions, { invFreq: [...f, ...f], axis: [...f.map(() => 0), ...f.map(() => 1)] });
}

export interface VisionAttentionOptions {
  /** true where absent. */
  bias?: boolean;
  /** q and k are normed per head before they are turned. */
  qkNormEps?: number;
}

/** Full attention inside each segment; fused projection of q, k and v. x[patches, width] → [patches, width] */
export function visionAttention(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  heads: number,
  rope: Value,
  segments: Value,
  options: VisionAttentionOptions = {},
): Value {
  const { width } = x;
  const { bias = true, qkNormEps } = options;
  const kDim = width / heads;
  const qkv = g.linear(x, w('attn.qkv'), 3 * width, { bias }); // [patches, 3·width]
  const turned = (start: number, norm: string): Value => {
    const y = g.slice(qkv, start, width);
    const normed =
      qkNormEps === undefined ? y : g.rmsNorm(y, w(`attn.${norm}`), qkNormEps, { groups: heads });
    return g.rope(normed, rope, heads);
  };
  const [q, k] = [turned(0, 'q_norm'), turned(width, 'k_norm')];
  const v = g.slice(qkv, 2 * width, width);
  const o = g.segmentAttention(q, k, v, segments, { heads, kvHeads: heads, kDim, scale: kDim ** -0.5 });
  return g.linear(o, w('attn.proj'), width, { bias });
}

/** Declares `name` as boundaries of attention segments. */
export function segmentInput(g: GraphBuilder, name: string): Value {
  return g.input(name, { rows: rowsOf(name), width: 1, dtype: 'i32' });
}

/** i32 [patches, 2]: row and column of each patch, in merge-block order. */
export function patchPositions(extent: PatchExtent): NamedTensor {
  return indexTensor(mergeOrder(extent).flat(), 2);
}

/** One segment: the whole image. */
export function wholeImage(extent: PatchExtent): NamedTensor {
  return indexTensor([0, extent.rows * extent.columns]);
}
