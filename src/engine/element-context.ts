// What the lines of a picture say together: of each line by those beside it, and of all of them what kind of screen it is.
// The same as training/elements/network.py. A few million products for a full page, so plain loops in double precision.
import type { ContextLayers, Layer } from '../models/readers/elements.js';
import type { Classified } from './text-networks.js';

/** @param hidden Of each line what is known from its own surroundings, in reading order; all of one width. */
export function together(hidden: readonly Float32Array[], layers: ContextLayers): Classified {
  const width = hidden[0]?.length;
  if (width === undefined) return { lines: [], kinds: new Float32Array(0) };
  const none = new Float32Array(width);
  const mean = columns(hidden, (values) => values.reduce((sum, value) => sum + value, 0) / values.length);
  const beside = hidden.map((own, i) => {
    const all = [own, hidden[i - 1] ?? none, hidden[i + 1] ?? none, mean];
    return linear(joined(all), layers.context).map((value) => Math.max(0, value));
  });
  const lines = hidden.map((own, i) => {
    const corrections = linear(beside[i]!, layers.corrections);
    return Float32Array.from(linear(own, layers.marks), (logit, at) => logit + corrections[at]!);
  });
  const meant = columns(beside, (values) => values.reduce((sum, value) => sum + value, 0) / values.length);
  const most = columns(beside, (values) => values.reduce((a, b) => Math.max(a, b)));
  return { lines, kinds: Float32Array.from(linear(joined([mean, meant, most]), layers.kinds)) };
}

/** weight · row + bias */
function linear(row: ArrayLike<number>, { weight, bias }: Layer): Float64Array {
  return Float64Array.from(bias, (start, output) => {
    let sum = start;
    const from = output * row.length;
    for (let i = 0; i < row.length; i++) sum += row[i]! * weight[from + i]!;
    return sum;
  });
}

function joined(rows: readonly ArrayLike<number>[]): Float64Array {
  return Float64Array.from(rows.flatMap((row) => Array.from(row)));
}

/** One number of each column of some rows. */
function columns(
  rows: readonly ArrayLike<number>[],
  of: (values: readonly number[]) => number,
): Float64Array {
  return Float64Array.from({ length: rows[0]!.length }, (_, column) => of(rows.map((row) => row[column]!)));
}
