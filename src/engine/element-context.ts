// What the lines of a picture say together: of each line by those beside it, and of all of them what kind of screen it is.
// The same as training/elements/network.py. A few million products for a full page, so plain loops in double precision.
import type { ContextLayers, Layer } from '../models/readers/elements.js';
import type { Classified } from './text-networks.js';

/** @param hidden Of each line what is known from its own surroundings, in reading order; all of one width. */
export function together(hidden: readonly Float32Array[], layers: ContextLayers): Classified {
  const width = hidden[0]?.length;
  if (width === undefined) return { lines: [], kinds: new Float32Array(0) };
  const none = new Float32Array(width);
  const mean = meanOf(hidden);
  const beside = hidden.map((own, i) => {
    const all = [own, hidden[i - 1] ?? none, hidden[i + 1] ?? none, mean];
    return linear(joined(all), layers.context).map((value) => Math.max(0, value));
  });
  const lines = hidden.map((own, i) => {
    const corrections = linear(beside[i]!, layers.corrections);
    return Float32Array.from(linear(own, layers.marks), (logit, at) => logit + corrections[at]!);
  });
  const told = joined([mean, meanOf(beside), mostOf(beside)]);
  return { lines, kinds: Float32Array.from(linear(told, layers.kinds)) };
}

/** weight · row + bias */
function linear(row: Float64Array | Float32Array, { weight, bias }: Layer): Float64Array {
  const wide = row.length;
  const outputs = new Float64Array(bias.length);
  for (let output = 0, at = 0; output < bias.length; output++) {
    let sum = bias[output]!;
    for (let i = 0; i < wide; i++) sum += row[i]! * weight[at++]!;
    outputs[output] = sum;
  }
  return outputs;
}

function joined(rows: readonly (Float64Array | Float32Array)[]): Float64Array {
  const all = new Float64Array(rows.reduce((length, row) => length + row.length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}

/** Of each column. */
function meanOf(rows: readonly (Float64Array | Float32Array)[]): Float64Array {
  const sums = new Float64Array(rows[0]!.length);
  for (const row of rows) for (let i = 0; i < sums.length; i++) sums[i]! += row[i]!;
  return sums.map((sum) => sum / rows.length);
}

function mostOf(rows: readonly Float64Array[]): Float64Array {
  const most = rows[0]!.slice();
  for (const row of rows) for (let i = 0; i < most.length; i++) most[i] = Math.max(most[i]!, row[i]!);
  return most;
}
