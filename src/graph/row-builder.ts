// Operators whose output row r reads only row r of its inputs. native/graph/ops.h states every formula.
import type { WeightRecipe } from './program.js';
import { fail, ProgramWriter, type Attributes, type Value, type ValueShape } from './program-writer.js';
import { grouped, integers, matrixShape, sameRowCount, sameShape, vectorShape } from './shape-checks.js';

export type ActivationName =
  'gelu' | 'gelu_tanh' | 'quick_gelu' | 'silu' | 'sigmoid' | 'relu' | 'tanh' | 'hard_swish' | 'hard_sigmoid';

export type StatisticName = 'mean' | 'deviation' | 'rms' | 'inverse_rms';

/** A module of the checkpoint ("layers.0.self_attn.q_proj"): hands out recipes whose shapes are checked. */
export interface WeightModule {
  readonly path: string;
  /** `weight` as a matrix [rows, columns]. */
  matrix(rows: number, columns: number): WeightRecipe;
  /** `weight` as a vector. */
  vector(length: number): WeightRecipe;
  bias(length: number): WeightRecipe;
}

export interface RopeTableOptions {
  invFreq: number[];
  /** Column of `positions` that each frequency reads; all 0 where absent. */
  axis?: number[];
  scale?: number;
}

export class RowBuilder extends ProgramWriter {
  /** x[R,in] · W[out,in]ᵀ (+ b[out]) */
  linear(x: Value, module: WeightModule, out: number, options: { bias?: boolean } = {}): Value {
    return this.matmul(x, module.matrix(out, x.width), options.bias ? module.bias(out) : null);
  }

  /** As `linear`, with recipes made by hand (patch kernels, slices of fused tensors). */
  matmul(x: Value, weight: WeightRecipe, bias: WeightRecipe | null = null): Value {
    const [out, columns] = matrixShape('linear', weight);
    if (columns !== x.width)
      fail(`linear: "${x.name}" has width ${x.width}, but "${weight.name}" has ${columns} columns`);
    if (bias) vectorShape('linear', bias, out);
    return this.one('linear', [x], { rows: x.rows, width: out }, [weight, bias]);
  }

  /** table[ids[r] − start] · scale */
  embedding(ids: Value, table: WeightRecipe, scale = 1, start = 0): Value {
    integers('embedding', ids, 1);
    return this.one(
      'embedding',
      [ids],
      { rows: ids.rows, width: matrixShape('embedding', table)[1] },
      [table],
      only({ scale, start }, { scale: 1, start: 0 }),
    );
  }

  /** `module` null: no weight. `weightOffset` 1 for norms stored as w and applied as 1 + w. */
  rmsNorm(
    x: Value,
    module: WeightModule | null,
    eps: number,
    options: { groups?: number; weightOffset?: number } = {},
  ): Value {
    const { groups = 1, weightOffset = 0 } = options;
    const d = grouped('rmsNorm', x, groups);
    const weight = module ? module.vector(d) : null;
    return this.one('rmsNorm', [x], x, [weight], {
      eps,
      ...only({ groups, weightOffset }, { groups: 1, weightOffset: 0 }),
    });
  }

  layerNorm(x: Value, module: WeightModule, eps: number): Value {
    return this.one('layerNorm', [x], x, [module.vector(x.width), module.bias(x.width)], { eps });
  }

  /** [cos | sin] of positions · invFreq, one table for all layers. */
  ropeTable(positions: Value, options: RopeTableOptions): Value {
    const { invFreq, axis = invFreq.map(() => 0), scale = 1 } = options;
    integers('ropeTable', positions);
    if (axis.length !== invFreq.length || axis.some((a) => a < 0 || a >= positions.width)) {
      fail(
        `ropeTable: ${invFreq.length} frequencies on axes [${axis.join(', ')}] of positions of width ${positions.width}`,
      );
    }
    return this.one('ropeTable', [positions], { rows: positions.rows, width: 2 * invFreq.length }, [], {
      invFreq,
      axis,
      ...only({ scale }, { scale: 1 }),
    });
  }

  /** Rotates table.width columns after `start` of each of `groups` groups. */
  rope(
    x: Value,
    table: Value,
    groups: number,
    options: { start?: number; interleaved?: boolean } = {},
  ): Value {
    const { start = 0, interleaved = false } = options;
    const d = grouped('rope', x, groups);
    sameRowCount('rope', x, table);
    if (start + table.width > d)
      fail(`rope: columns [${start}, ${start + table.width}) of "${x.name}" are outside its groups of ${d}`);
    return this.one(
      'rope',
      [x, table],
      x,
      [],
      only({ groups, start, interleaved }, { groups: 1, start: 0, interleaved: false }),
    );
  }

  /** b: the shape of a, one column broadcast over a's columns, or a vector of the checkpoint. */
  add(a: Value, b: Value | WeightRecipe): Value {
    return this.#binary('add', a, b);
  }

  /** b: as in `add`. */
  mul(a: Value, b: Value | WeightRecipe): Value {
    return this.#binary('mul', a, b);
  }

  scale(x: Value, factor: number): Value {
    return this.one('activation', [x], x, [], { activation: 'none', scale: factor });
  }

  activation(x: Value, activation: ActivationName, scale = 1): Value {
    return this.one('activation', [x], x, [], { activation, ...only({ scale }, { scale: 1 }) });
  }

  /** f(gate) · up */
  gatedActivation(gate: Value, up: Value, activation: ActivationName): Value {
    sameShape('gatedActivation', gate, up);
    return this.one('gatedActivation', [gate, up], gate, [], { activation });
  }

  softcap(x: Value, cap: number): Value {
    return this.one('softcap', [x], x, [], { softcap: cap });
  }

  /** min(max(x, low), high), both one number of the checkpoint. */
  clamp(x: Value, low: WeightRecipe, high: WeightRecipe): Value {
    vectorShape('clamp', low, 1);
    vectorShape('clamp', high, 1);
    return this.one('clamp', [x], x, [low, high]);
  }

  /** One number that describes each row: [R,w] → [R,1]. */
  rowStatistic(x: Value, statistic: StatisticName, options: { eps?: number; scale?: number } = {}): Value {
    const { eps = 0, scale = 1 } = options;
    return this.one('rowStatistic', [x], { rows: x.rows, width: 1 }, [], {
      statistic,
      ...only({ eps, scale }, { eps: 0, scale: 1 }),
    });
  }

  /** b[r] where ids[r] lies in [start, start + count), else a[r]. */
  chooseRows(a: Value, b: Value, ids: Value, range: { start: number; count: number }): Value {
    integers('chooseRows', ids, 1);
    sameRowCount('chooseRows', a, ids);
    sameShape('chooseRows', a, b);
    return this.one('chooseRows', [a, b, ids], a, [], { ...range });
  }

  /** Columns [start, start+count) of each group. */
  slice(x: Value, start: number, count: number, groups = 1): Value {
    if (start + count > grouped('slice', x, groups))
      fail(`slice: columns [${start}, ${start + count}) are outside the groups of "${x.name}"`);
    return this.one('slice', [x], { rows: x.rows, width: groups * count }, [], {
      start,
      count,
      ...only({ groups }, { groups: 1 }),
    });
  }

  concat(a: Value, b: Value, groups = 1): Value {
    grouped('concat', a, groups);
    grouped('concat', b, groups);
    sameRowCount('concat', a, b);
    return this.one(
      'concat',
      [a, b],
      { rows: a.rows, width: a.width + b.width },
      [],
      only({ groups }, { groups: 1 }),
    );
  }

  /** Index of the greatest column and its softmax probability: [R,w] → [R,2]. */
  bestClass(x: Value): Value {
    return this.one('bestClass', [x], { rows: x.rows, width: 2 });
  }

  repeat(x: Value, times: number): Value {
    return this.one('repeat', [x], { rows: x.rows, width: x.width * times }, [], { times });
  }

  /** Each row read as [m, n] becomes [n, m]. */
  transposeInner(x: Value, m: number): Value {
    grouped('transposeInner', x, m);
    return this.one('transposeInner', [x], x, [], { m });
  }

  #binary(op: string, a: Value, b: Value | WeightRecipe): Value {
    if ('tensors' in b) {
      vectorShape(op, b, a.width);
      return this.one(op, [a, null], a, [b]);
    }
    if (b.width === 1) sameRowCount(op, a, b);
    else sameShape(op, a, b);
    return this.one(op, [a, b], a);
  }

  protected one(
    op: string,
    inputs: (Value | null)[],
    shape: ValueShape,
    weights: (WeightRecipe | null)[] = [],
    attrs: Attributes = {},
  ): Value {
    return this.emit(op, inputs, [{ rows: shape.rows, width: shape.width }], weights, attrs)[0]!;
  }
}

/** Attributes that differ from the operator's defaults. */
export function only<T extends Attributes>(attrs: T, defaults: T): Attributes {
  return Object.fromEntries(Object.entries(attrs).filter(([key, value]) => value !== defaults[key]));
}
