// The language in which families are written: one method per operator of native/graph/ops.h, which states every
// formula. Shapes are inferred and checked here, so that a wrong family fails while it is built.
import type { WeightRecipe } from './program.js';
import { dividedRows, fail, multipliedRows, type Attributes, type Value } from './program-writer.js';
import { ImageBuilder } from './image-builder.js';
import { only, type ActivationName } from './row-builder.js';
import {
  attentionShapes,
  grouped,
  hasWidth,
  integers,
  matrixShape,
  sameRowCount,
  type AttentionShape,
} from './shape-checks.js';

export { multipliedRows, rowsOf } from './program-writer.js';
export type { Images } from './image-builder.js';
export type { Value } from './program-writer.js';
export type { ActivationName, WeightModule } from './row-builder.js';

export interface RouteOptions {
  k: number;
  score: 'softmax' | 'sigmoid';
  normalize: boolean;
  scale?: number;
  groups?: number;
  topkGroups?: number;
  bias?: WeightRecipe | null;
}

export interface AttentionReach {
  window?: number;
  /** First position that those behind it see. */
  start?: number;
  softcap?: number;
  causal?: boolean;
}

export class GraphBuilder extends ImageBuilder {
  /**
   * Attention over the KV cache. Without k and v the cache of `layer` is only read; with them it is the next layer where
   * none is named. `causal`: also inside images.
   */
  attention(
    q: Value,
    k: Value | null,
    v: Value | null,
    options: AttentionShape & { layer?: number } & AttentionReach,
  ): Value {
    const { heads, kvHeads, kDim, vDim = kDim, scale } = options;
    const { window = 0, start = 0, softcap = 0, causal = false } = options;
    attentionShapes('attention', q, k, v, options);
    const layer =
      options.layer ??
      (k && v ? this.addKvLayer(kvHeads, kDim, vDim) : fail('attention: without k and v it needs a layer'));
    const kept = this.kvLayer(layer);
    if (kept.kvHeads !== kvHeads || kept.kDim !== kDim || kept.vDim !== vDim)
      fail(`attention: KV layer ${layer} has another shape`);
    const attrs = {
      layer,
      heads,
      kvHeads,
      kDim,
      vDim,
      scale,
      ...only({ window, start, softcap, causal }, { window: 0, start: 0, softcap: 0, causal: false }),
    };
    return this.one('attention', [q, k, v], { rows: q.rows, width: heads * vDim }, [], attrs);
  }

  /**
   * Full attention inside each segment of rows; `segments` lists the S+1 boundaries. Where `visible` is given, row r sees
   * the rows before visible[r] alone.
   */
  segmentAttention(
    q: Value,
    k: Value,
    v: Value,
    segments: Value,
    shape: AttentionShape,
    visible?: Value,
  ): Value {
    const { heads, kvHeads, kDim, vDim = kDim, scale } = shape;
    attentionShapes('segmentAttention', q, k, v, shape);
    integers('segmentAttention', segments, 1);
    if (visible) {
      integers('segmentAttention', visible, 1);
      sameRowCount('segmentAttention', q, visible);
    }
    const inputs = visible ? [q, k, v, segments, visible] : [q, k, v, segments];
    return this.one('segmentAttention', inputs, { rows: q.rows, width: heads * vDim }, [], {
      heads,
      kvHeads,
      kDim,
      vDim,
      scale,
    });
  }

  replaceRows(x: Value, rows: Value, index: Value): Value {
    return this.#rowsByIndex('replaceRows', x, rows, index);
  }

  addRows(x: Value, rows: Value, index: Value): Value {
    return this.#rowsByIndex('addRows', x, rows, index);
  }

  /** Rows of x side by side, one for each column of `index`; −1 gives zeros. */
  gatherRows(x: Value, index: Value): Value {
    integers('gatherRows', index);
    return this.one('gatherRows', [x, index], { rows: index.rows, width: x.width * index.width });
  }

  /** Depthwise convolution over the rows that `index`[R,K] names; weight[K,C]. */
  depthwiseRows(x: Value, index: Value, weight: WeightRecipe): Value {
    integers('depthwiseRows', index);
    const [taps, channels] = matrixShape('depthwiseRows', weight);
    if (taps !== index.width || channels !== x.width)
      fail(
        `depthwiseRows: "${weight.name}" has ${taps} taps of ${channels} channels, but "${index.name}" has ${index.width} and "${x.name}" ${x.width}`,
      );
    return this.one('depthwiseRows', [x, index], { rows: index.rows, width: x.width }, [weight]);
  }

  /** Σ_t weight[r,t] · x[index[r,t]]; x may be a table of the checkpoint. */
  weightedRows(x: Value | WeightRecipe, index: Value, weight: Value): Value {
    integers('weightedRows', index);
    sameRowCount('weightedRows', index, weight);
    if (index.width !== weight.width)
      fail(`weightedRows: ${index.width} indices, but ${weight.width} weights per row`);
    const table = 'tensors' in x ? x : null;
    const width = table ? matrixShape('weightedRows', table)[1] : (x as Value).width;
    return this.one(
      'weightedRows',
      [table ? null : (x as Value), index, weight],
      { rows: index.rows, width },
      [table],
    );
  }

  /** [R,w] → [R/factor, w·factor] */
  regroup(x: Value, factor: number): Value {
    return this.one('regroup', [x], { rows: dividedRows(x.rows, factor), width: x.width * factor }, [], {
      factor,
    });
  }

  /** [R,w] → [R·parts, w/parts]: undoes `regroup`. */
  ungroup(x: Value, parts: number): Value {
    const rows = multipliedRows(x.rows, parts);
    return this.one('regroup', [x], { rows, width: grouped('ungroup', x, parts) }, [], { split: parts });
  }

  /** Causal depthwise convolution; weight[C,K]. */
  shortConv(
    x: Value,
    weight: WeightRecipe,
    options: { bias?: WeightRecipe | null; activation?: ActivationName } = {},
  ): Value {
    const [channels, kernel] = matrixShape('shortConv', weight);
    if (channels !== x.width)
      fail(`shortConv: "${x.name}" has width ${x.width}, but the kernel has ${channels} channels`);
    const layer = this.addState(channels * (kernel - 1));
    const attrs: Attributes = { layer };
    if (options.activation) attrs.activation = options.activation;
    return this.one('shortConv', [x], x, [weight, options.bias ?? null], attrs);
  }

  gatedDelta(
    inputs: { q: Value; k: Value; v: Value; a: Value; b: Value },
    weights: { A_log: WeightRecipe; dt_bias: WeightRecipe },
    shape: { keyHeads: number; valueHeads: number; kDim: number; vDim: number },
  ): Value {
    const { q, k, v, a, b } = inputs;
    const { keyHeads, valueHeads, kDim, vDim } = shape;
    for (const [x, width] of [
      [q, keyHeads * kDim],
      [k, keyHeads * kDim],
      [v, valueHeads * vDim],
      [a, valueHeads],
      [b, valueHeads],
    ] as const) {
      hasWidth('gatedDelta', x, width);
    }
    const layer = this.addState(valueHeads * kDim * vDim);
    const attrs = { layer, heads: valueHeads, kvHeads: keyHeads, kDim, vDim };
    return this.one(
      'gatedDelta',
      [q, k, v, a, b],
      { rows: q.rows, width: valueHeads * vDim },
      [weights.A_log, weights.dt_bias],
      attrs,
    );
  }

  /** Top k of `experts` logits: their weights [R,k] and ids [R,k]. */
  route(logits: Value, options: RouteOptions): { weights: Value; ids: Value } {
    const { k, score, normalize, scale = 1, groups = 1, topkGroups = 1, bias = null } = options;
    if (k > logits.width) fail(`route: top ${k} of ${logits.width} experts`);
    const attrs = {
      k,
      sigmoidScore: score === 'sigmoid',
      normalize,
      ...only({ scale, groups, topkGroups }, { scale: 1, groups: 1, topkGroups: 1 }),
    };
    const shape = { rows: logits.rows, width: k };
    const [weights, ids] = this.emit('route', [logits], [shape, { ...shape, dtype: 'i32' }], [bias], attrs);
    return { weights: weights!, ids: ids! };
  }

  /** W[ids[r,i]] · x[r], or · x[r,i] where `perExpert`; weight[E,out,in]. */
  expertLinear(x: Value, ids: Value, weight: WeightRecipe, options: { perExpert?: boolean } = {}): Value {
    const perExpert = options.perExpert ?? false;
    const [, out, columns] = weight.shape;
    if (weight.shape.length !== 3 || columns !== x.width / (perExpert ? ids.width : 1)) {
      fail(
        `expertLinear: "${x.name}" has width ${x.width}, but "${weight.name}" has shape [${weight.shape.join(', ')}]`,
      );
    }
    return this.one('expertLinear', [x, ids], { rows: x.rows, width: ids.width * out! }, [weight], {
      k: ids.width,
      ...only({ perExpert }, { perExpert: false }),
    });
  }

  /** Σ_i weights[r,i] · x[r,i] */
  expertSum(x: Value, weights: Value): Value {
    return this.one(
      'expertSum',
      [x, weights],
      { rows: x.rows, width: grouped('expertSum', x, weights.width) },
      [],
      { k: weights.width },
    );
  }

  #rowsByIndex(op: string, x: Value, rows: Value, index: Value): Value {
    integers(op, index, 1);
    sameRowCount(op, x, index);
    hasWidth(op, rows, x.width);
    return this.one(op, [x, rows, index], x);
  }
}
