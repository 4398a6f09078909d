// The language in which families are written: one method per operator of native/graph/ops.h, which states every
// formula. Shapes are inferred and checked here, so that a wrong family fails while it is built.
import type { WeightRecipe } from './program.js';
import { dividedRows, fail, ProgramWriter, rowsText, sameRows, type Attributes, type Value, type ValueShape } from './program-writer.js';

export { rowsOf } from './program-writer.js';
export type { Value } from './program-writer.js';

export type ActivationName = 'gelu' | 'gelu_tanh' | 'quick_gelu' | 'silu' | 'sigmoid' | 'relu' | 'tanh';

/** A module of the checkpoint ("layers.0.self_attn.q_proj"): hands out recipes whose shapes are checked. */
export interface WeightModule {
  readonly path: string;
  /** `weight` as a matrix [rows, columns]. */
  matrix(rows: number, columns: number): WeightRecipe;
  /** `weight` as a vector. */
  vector(length: number): WeightRecipe;
  bias(length: number): WeightRecipe;
}

export interface AttentionShape {
  heads: number;
  kvHeads: number;
  kDim: number;
  /** kDim where absent. */
  vDim?: number;
  scale: number;
}

export interface RopeTableOptions {
  invFreq: number[];
  /** Column of `positions` that each frequency reads; all 0 where absent. */
  axis?: number[];
  scale?: number;
}

export interface RouteOptions {
  k: number;
  score: 'softmax' | 'sigmoid';
  normalize: boolean;
  scale?: number;
  groups?: number;
  topkGroups?: number;
  bias?: WeightRecipe | null;
}

export class GraphBuilder extends ProgramWriter {
  /** x[R,in] · W[out,in]ᵀ (+ b[out]) */
  linear(x: Value, module: WeightModule, out: number, options: { bias?: boolean } = {}): Value {
    return this.matmul(x, module.matrix(out, x.width), options.bias ? module.bias(out) : null);
  }

  /** As `linear`, with recipes made by hand (patch kernels, slices of fused tensors). */
  matmul(x: Value, weight: WeightRecipe, bias: WeightRecipe | null = null): Value {
    const [out, columns] = this.matrixShape('linear', weight);
    if (columns !== x.width) fail(`linear: "${x.name}" has width ${x.width}, but "${weight.name}" has ${columns} columns`);
    if (bias) this.vectorShape('linear', bias, out);
    return this.one('linear', [x], { rows: x.rows, width: out }, [weight, bias]);
  }

  /** table[ids[r]] · scale */
  embedding(ids: Value, table: WeightRecipe, scale = 1): Value {
    this.integers('embedding', ids, 1);
    return this.one('embedding', [ids], { rows: ids.rows, width: this.matrixShape('embedding', table)[1] }, [table], only({ scale }, { scale: 1 }));
  }

  /** `weightOffset` 1 for norms stored as w and applied as 1 + w. */
  rmsNorm(x: Value, module: WeightModule, eps: number, options: { groups?: number; weightOffset?: number } = {}): Value {
    const { groups = 1, weightOffset = 0 } = options;
    const weight = module.vector(this.grouped('rmsNorm', x, groups));
    return this.one('rmsNorm', [x], x, [weight], { eps, ...only({ groups, weightOffset }, { groups: 1, weightOffset: 0 }) });
  }

  layerNorm(x: Value, module: WeightModule, eps: number): Value {
    return this.one('layerNorm', [x], x, [module.vector(x.width), module.bias(x.width)], { eps });
  }

  /** [cos | sin] of positions · invFreq, one table for all layers. */
  ropeTable(positions: Value, options: RopeTableOptions): Value {
    const { invFreq, axis = invFreq.map(() => 0), scale = 1 } = options;
    this.integers('ropeTable', positions);
    if (axis.length !== invFreq.length || axis.some((a) => a < 0 || a >= positions.width)) {
      fail(`ropeTable: ${invFreq.length} frequencies on axes [${axis.join(', ')}] of positions of width ${positions.width}`);
    }
    return this.one('ropeTable', [positions], { rows: positions.rows, width: 2 * invFreq.length }, [], { invFreq, axis, ...only({ scale }, { scale: 1 }) });
  }

  /** Rotates table.width columns after `start` of each of `groups` groups. */
  rope(x: Value, table: Value, groups: number, options: { start?: number; interleaved?: boolean } = {}): Value {
    const { start = 0, interleaved = false } = options;
    const d = this.grouped('rope', x, groups);
    this.sameRowCount('rope', x, table);
    if (start + table.width > d) fail(`rope: columns [${start}, ${start + table.width}) of "${x.name}" are outside its groups of ${d}`);
    return this.one('rope', [x, table], x, [], only({ groups, start, interleaved }, { groups: 1, start: 0, interleaved: false }));
  }

  /** Attention over the KV cache. Without k and v the cache of `layer` is only read. */
  attention(q: Value, k: Value | null, v: Value | null, options: AttentionShape & { layer?: number; window?: number; softcap?: number }): Value {
    const { heads, kvHeads, kDim, vDim = kDim, scale, window = 0, softcap = 0 } = options;
    this.attentionShapes('attention', q, k, v, options);
    const layer = k && v ? this.addKvLayer(kvHeads, kDim, vDim) : (options.layer ?? fail('attention: without k and v it needs a layer'));
    const kept = this.kvLayer(layer);
    if (kept.kvHeads !== kvHeads || kept.kDim !== kDim || kept.vDim !== vDim) fail(`attention: KV layer ${layer} has another shape`);
    const attrs = { layer, heads, kvHeads, kDim, vDim, scale, ...only({ window, softcap }, { window: 0, softcap: 0 }) };
    return this.one('attention', [q, k, v], { rows: q.rows, width: heads * vDim }, [], attrs);
  }

  /** Full attention inside each segment of rows; `segments` lists the S+1 boundaries. */
  segmentAttention(q: Value, k: Value, v: Value, segments: Value, shape: AttentionShape): Value {
    const { heads, kvHeads, kDim, vDim = kDim, scale } = shape;
    this.attentionShapes('segmentAttention', q, k, v, shape);
    this.integers('segmentAttention', segments, 1);
    return this.one('segmentAttention', [q, k, v, segments], { rows: q.rows, width: heads * vDim }, [], { heads, kvHeads, kDim, vDim, scale });
  }

  add(a: Value, b: Value): Value {
    this.sameShape('add', a, b);
    return this.one('add', [a, b], a);
  }

  /** b: the shape of a, or one column broadcast over a's columns. */
  mul(a: Value, b: Value): Value {
    if (b.width === 1) this.sameRowCount('mul', a, b);
    else this.sameShape('mul', a, b);
    return this.one('mul', [a, b], a);
  }

  activation(x: Value, activation: ActivationName, scale = 1): Value {
    return this.one('activation', [x], x, [], { activation, ...only({ scale }, { scale: 1 }) });
  }

  /** f(gate) · up */
  gatedActivation(gate: Value, up: Value, activation: ActivationName): Value {
    this.sameShape('gatedActivation', gate, up);
    return this.one('gatedActivation', [gate, up], gate, [], { activation });
  }

  softcap(x: Value, cap: number): Value {
    return this.one('softcap', [x], x, [], { softcap: cap });
  }

  replaceRows(x: Value, rows: Value, index: Value): Value {
    return this.rowsByIndex('replaceRows', x, rows, index);
  }

  addRows(x: Value, rows: Value, index: Value): Value {
    return this.rowsByIndex('addRows', x, rows, index);
  }

  gatherRows(x: Value, index: Value): Value {
    this.integers('gatherRows', index, 1);
    return this.one('gatherRows', [x, index], { rows: index.rows, width: x.width });
  }

  /** Σ_t weight[r,t] · x[index[r,t]]; x may be a table of the checkpoint. */
  weightedRows(x: Value | WeightRecipe, index: Value, weight: Value): Value {
    this.integers('weightedRows', index);
    this.sameRowCount('weightedRows', index, weight);
    if (index.width !== weight.width) fail(`weightedRows: ${index.width} indices, but ${weight.width} weights per row`);
    const table = 'tensors' in x ? x : null;
    const width = table ? this.matrixShape('weightedRows', table)[1] : (x as Value).width;
    return this.one('weightedRows', [table ? null : (x as Value), index, weight], { rows: index.rows, width }, [table]);
  }

  /** [R,w] → [R/factor, w·factor] */
  regroup(x: Value, factor: number): Value {
    return this.one('regroup', [x], { rows: dividedRows(x.rows, factor), width: x.width * factor }, [], { factor });
  }

  /** Columns [start, start+count) of each group. */
  slice(x: Value, start: number, count: number, groups = 1): Value {
    if (start + count > this.grouped('slice', x, groups)) fail(`slice: columns [${start}, ${start + count}) are outside the groups of "${x.name}"`);
    return this.one('slice', [x], { rows: x.rows, width: groups * count }, [], { start, count, ...only({ groups }, { groups: 1 }) });
  }

  concat(a: Value, b: Value, groups = 1): Value {
    this.grouped('concat', a, groups);
    this.grouped('concat', b, groups);
    this.sameRowCount('concat', a, b);
    return this.one('concat', [a, b], { rows: a.rows, width: a.width + b.width }, [], only({ groups }, { groups: 1 }));
  }

  repeat(x: Value, times: number): Value {
    return this.one('repeat', [x], { rows: x.rows, width: x.width * times }, [], { times });
  }

  /** Each row read as [m, n] becomes [n, m]. */
  transposeInner(x: Value, m: number): Value {
    this.grouped('transposeInner', x, m);
    return this.one('transposeInner', [x], x, [], { m });
  }

  /** Causal depthwise convolution; weight[C,K]. */
  shortConv(x: Value, weight: WeightRecipe, options: { bias?: WeightRecipe | null; activation?: ActivationName } = {}): Value {
    const [channels, kernel] = this.matrixShape('shortConv', weight);
    if (channels !== x.width) fail(`shortConv: "${x.name}" has width ${x.width}, but the kernel has ${channels} channels`);
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
    for (const [x, width] of [[q, keyHeads * kDim], [k, keyHeads * kDim], [v, valueHeads * vDim], [a, valueHeads], [b, valueHeads]] as const) {
      this.hasWidth('gatedDelta', x, width);
    }
    const layer = this.addState(valueHeads * kDim * vDim);
    const attrs = { layer, heads: valueHeads, kvHeads: keyHeads, kDim, vDim };
    return this.one('gatedDelta', [q, k, v, a, b], { rows: q.rows, width: valueHeads * vDim }, [weights.A_log, weights.dt_bias], attrs);
  }

  /** Top k of `experts` logits: their weights [R,k] and ids [R,k]. */
  route(logits: Value, options: RouteOptions): { weights: Value; ids: Value } {
    const { k, score, normalize, scale = 1, groups = 1, topkGroups = 1, bias = null } = options;
    if (k > logits.width) fail(`route: top ${k} of ${logits.width} experts`);
    const attrs = { k, sigmoidScore: score === 'sigmoid', normalize, ...only({ scale, groups, topkGroups }, { scale: 1, groups: 1, topkGroups: 1 }) };
    const shape = { rows: logits.rows, width: k };
    const [weights, ids] = this.emit('route', [logits], [shape, { ...shape, dtype: 'i32' }], [bias], attrs);
    return { weights: weights!, ids: ids! };
  }

  /** W[ids[r,i]] · x[r], or · x[r,i] where `perExpert`; weight[E,out,in]. */
  expertLinear(x: Value, ids: Value, weight: WeightRecipe, options: { perExpert?: boolean } = {}): Value {
    const perExpert = options.perExpert ?? false;
    const [, out, columns] = weight.shape;
    if (weight.shape.length !== 3 || columns !== x.width / (perExpert ? ids.width : 1)) {
      fail(`expertLinear: "${x.name}" has width ${x.width}, but "${weight.name}" has shape [${weight.shape.join(', ')}]`);
    }
    return this.one('expertLinear', [x, ids], { rows: x.rows, width: ids.width * out! }, [weight], { k: ids.width, ...only({ perExpert }, { perExpert: false }) });
  }

  /** Σ_i weights[r,i] · x[r,i] */
  expertSum(x: Value, weights: Value): Value {
    return this.one('expertSum', [x, weights], { rows: x.rows, width: this.grouped('expertSum', x, weights.width) }, [], { k: weights.width });
  }

  private one(op: string, inputs: (Value | null)[], shape: ValueShape, weights: (WeightRecipe | null)[] = [], attrs: Attributes = {}): Value {
    return this.emit(op, inputs, [{ rows: shape.rows, width: shape.width }], weights, attrs)[0]!;
  }

  private rowsByIndex(op: string, x: Value, rows: Value, index: Value): Value {
    this.integers(op, index, 1);
    this.sameRowCount(op, x, index);
    this.hasWidth(op, rows, x.width);
    return this.one(op, [x, rows, index], x);
  }

  private attentionShapes(op: string, q: Value, k: Value | null, v: Value | null, shape: AttentionShape): void {
    const { heads, kvHeads, kDim, vDim = kDim } = shape;
    if (heads % kvHeads !== 0) fail(`${op}: ${heads} heads cannot share ${kvHeads} key heads`);
    this.hasWidth(op, q, heads * kDim);
    if (k) this.hasWidth(op, k, kvHeads * kDim);
    if (v) this.hasWidth(op, v, kvHeads * vDim);
  }

  private grouped(op: string, x: Value, groups: number): number {
    if (x.width % groups !== 0) fail(`${op}: "${x.name}" of width ${x.width} is not ${groups} groups`);
    return x.width / groups;
  }

  private hasWidth(op: string, x: Value, width: number): void {
    if (x.width !== width) fail(`${op}: "${x.name}" has width ${x.width}; expected ${width}`);
  }

  private integers(op: string, x: Value, width = x.width): void {
    if (x.dtype !== 'i32' || x.width !== width) fail(`${op}: "${x.name}" must be i32 of width ${width}`);
  }

  private sameRowCount(op: string, a: Value, b: Value): void {
    if (!sameRows(a.rows, b.rows)) fail(`${op}: "${a.name}" has ${rowsText(a.rows)} rows, "${b.name}" has ${rowsText(b.rows)}`);
  }

  private sameShape(op: string, a: Value, b: Value): void {
    this.sameRowCount(op, a, b);
    this.hasWidth(op, b, a.width);
  }

  private matrixShape(op: string, weight: WeightRecipe): [number, number] {
    if (weight.shape.length !== 2) fail(`${op}: "${weight.name}" of shape [${weight.shape.join(', ')}] is not a matrix`);
    return [weight.shape[0]!, weight.shape[1]!];
  }

  private vectorShape(op: string, weight: WeightRecipe, length: number): void {
    if (weight.shape.length !== 1 || weight.shape[0] !== length) fail(`${op}: "${weight.name}" must have ${length} elements`);
  }
}

/** Attributes that differ from the operator's defaults. */
function only<T extends Attributes>(attrs: T, defaults: T): Attributes {
  return Object.fromEntries(Object.entries(attrs).filter(([key, value]) => value !== defaults[key]));
}
