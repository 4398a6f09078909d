// What every operator asks of its operands' shapes. A failure names the operator, the value and both sizes.
import type { WeightRecipe } from './program.js';
import { fail, rowsText, sameRows, type Value } from './program-writer.js';

/** Width of one of `groups` equal groups of columns. */
export function grouped(op: string, x: Value, groups: number): number {
  if (x.width % groups !== 0) fail(`${op}: "${x.name}" of width ${x.width} is not ${groups} groups`);
  return x.width / groups;
}

export function hasWidth(op: string, x: Value, width: number): void {
  if (x.width !== width) fail(`${op}: "${x.name}" has width ${x.width}; expected ${width}`);
}

export function integers(op: string, x: Value, width = x.width): void {
  if (x.dtype !== 'i32' || x.width !== width) fail(`${op}: "${x.name}" must be i32 of width ${width}`);
}

export function sameRowCount(op: string, a: Value, b: Value): void {
  if (sameRows(a.rows, b.rows)) return;
  fail(`${op}: "${a.name}" has ${rowsText(a.rows)} rows, "${b.name}" has ${rowsText(b.rows)}`);
}

export function sameShape(op: string, a: Value, b: Value): void {
  sameRowCount(op, a, b);
  hasWidth(op, b, a.width);
}

export function matrixShape(op: string, weight: WeightRecipe): [rows: number, columns: number] {
  const [rows, columns] = weight.shape;
  if (weight.shape.length === 2) return [rows!, columns!];
  return fail(`${op}: "${weight.name}" of shape [${weight.shape.join(', ')}] is not a matrix`);
}

export function vectorShape(op: string, weight: WeightRecipe, length: number): void {
  if (weight.shape.length !== 1 || weight.shape[0] !== length)
    fail(`${op}: "${weight.name}" must have ${length} elements`);
}

export interface AttentionShape {
  heads: number;
  kvHeads: number;
  kDim: number;
  /** kDim where absent. */
  vDim?: number;
  scale: number;
}

export function attentionShapes(
  op: string,
  q: Value,
  k: Value | null,
  v: Value | null,
  shape: AttentionShape,
): void {
  const { heads, kvHeads, kDim, vDim = kDim } = shape;
  if (heads % kvHeads !== 0) fail(`${op}: ${heads} heads cannot share ${kvHeads} key heads`);
  hasWidth(op, q, heads * kDim);
  if (k) hasWidth(op, k, kvHeads * kDim);
  if (v) hasWidth(op, v, kvHeads * vDim);
}
