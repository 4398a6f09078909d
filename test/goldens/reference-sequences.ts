// Operators that read other rows, the KV cache or recurrent state: naive loops after native/graph/ops.h.
import { activation, blank, number, sigmoid, type Matrix, type OpCall } from './reference-rows.js';

/** One private timeline: keys and values by layer, one array per position; recurrent state by layer. */
export interface Timeline {
  keys: Float32Array[][];
  values: Float32Array[][];
  states: Float32Array[];
}

export interface RowPlace {
  timeline: Timeline;
  position: number;
  visibleEnd: number;
}

export const sequenceKernels: Record<string, (call: OpCall, places: RowPlace[]) => Matrix[]> = {
  attention(call, places) {
    const [q, k, v] = [call.in[0]!, call.in[1], call.in[2]];
    const layer = number(call, 'layer', 0);
    places.forEach(({ timeline, position }, r) => {
      if (k) timeline.keys[layer]![position] = rowOf(k, r);
      if (v) timeline.values[layer]![position] = rowOf(v, r);
    });
    const [heads, vDim] = [number(call, 'heads', 1), number(call, 'vDim', 0)];
    const [window, start] = [number(call, 'window', 0), number(call, 'start', 0)];
    const y = blank(q.rows, heads * vDim);
    const causal = call.attrs.causal === true;
    places.forEach(({ timeline, position, visibleEnd }, r) => {
      const end = causal ? position + 1 : visibleEnd;
      const first = Math.max(Math.min(position, start), window > 0 ? position - window + 1 : 0);
      const [keys, rows] = [
        timeline.keys[layer]!.slice(first, end),
        timeline.values[layer]!.slice(first, end),
      ];
      y.data.set(attend(call, rowOf(q, r), keys, rows), r * y.width);
    });
    return [y];
  },
  segmentAttention(call) {
    const [q, k, v, segments, visible] = call.in as Matrix[];
    const y = blank(q!.rows, number(call, 'heads', 1) * number(call, 'vDim', 0));
    for (let s = 0; s + 1 < segments!.rows; s++) {
      const rows = Array.from(
        { length: segments!.data[s + 1]! - segments!.data[s]! },
        (_, i) => segments!.data[s]! + i,
      );
      const [keys, values] = [rows.map((r) => rowOf(k!, r)), rows.map((r) => rowOf(v!, r))];
      for (const r of rows) {
        const seen = visible ? visible.data[r]! - segments!.data[s]! : rows.length;
        y.data.set(attend(call, rowOf(q!, r), keys.slice(0, seen), values.slice(0, seen)), r * y.width);
      }
    }
    return [y];
  },
  replaceRows: (call) => rowsByIndex(call, (_, row) => row),
  addRows: (call) => rowsByIndex(call, (x, row) => x + row),
  gatherRows(call) {
    const [x, index] = [call.in[0]!, call.in[1]!];
    const y = blank(index.rows, x.width * index.width);
    index.data.forEach((from, i) => {
      if (from >= 0) y.data.set(rowOf(x, from), i * x.width);
    });
    return [y];
  },
  depthwiseRows(call) {
    const [x, index] = [call.in[0]!, call.in[1]!];
    const w = call.weights[0]!.data;
    const y = blank(index.rows, x.width);
    for (let r = 0; r < index.rows; r++) {
      for (let c = 0; c < x.width; c++) {
        let sum = 0;
        for (let t = 0; t < index.width; t++) {
          const from = index.data[r * index.width + t]!;
          if (from >= 0) sum += w[t * x.width + c]! * x.data[from * x.width + c]!;
        }
        y.data[r * x.width + c] = sum;
      }
    }
    return [y];
  },
  weightedRows(call) {
    const [index, weight] = [call.in[1]!, call.in[2]!];
    const table = call.weights[0];
    const [width, data] = table ? [table.shape[1]!, table.data] : [call.in[0]!.width, call.in[0]!.data];
    const y = blank(index.rows, width);
    for (let r = 0; r < index.rows; r++) {
      for (let c = 0; c < width; c++) {
        let sum = 0;
        for (let t = 0; t < index.width; t++)
          sum += weight.data[r * index.width + t]! * data[index.data[r * index.width + t]! * width + c]!;
        y.data[r * width + c] = sum;
      }
    }
    return [y];
  },
  shortConv(call, places) {
    const x = call.in[0]!;
    const [channels, kernel] = call.weights[0]!.shape as [number, number];
    const w = call.weights[0]!.data;
    const f = activation(call);
    const y = blank(x.rows, channels);
    places.forEach(({ timeline }, r) => {
      const state = timeline.states[number(call, 'layer', 0)]!; // [channels, kernel − 1], oldest first
      for (let c = 0; c < channels; c++) {
        const past = Array.from(state.subarray(c * (kernel - 1), (c + 1) * (kernel - 1)));
        past.push(x.data[r * channels + c]!);
        y.data[r * channels + c] = f(
          past.reduce((sum, u, i) => sum + u * w[c * kernel + i]!, call.weights[1]?.data[c] ?? 0),
        );
        state.set(past.slice(1), c * (kernel - 1));
      }
    });
    return [y];
  },
  gatedDelta(call, places) {
    const [q, k, v, a, b] = call.in as Matrix[];
    const [valueHeads, keyHeads] = [number(call, 'heads', 1), number(call, 'kvHeads', 1)];
    const [dk, dv] = [number(call, 'kDim', 0), number(call, 'vDim', 0)];
    const [aLog, dtBias] = [call.weights[0]!.data, call.weights[1]!.data];
    const y = blank(q!.rows, valueHeads * dv);
    places.forEach(({ timeline }, r) => {
      for (let h = 0; h < valueHeads; h++) {
        const keyHead = Math.floor((h * keyHeads) / valueHeads);
        const part = (x: Matrix, head: number, d: number): number[] =>
          Array.from(rowOf(x, r).subarray(head * d, (head + 1) * d));
        const state = timeline.states[number(call, 'layer', 0)]!.subarray(h * dk * dv, (h + 1) * dk * dv);
        const decay = Math.exp(
          -Math.exp(aLog[h]!) * Math.log1p(Math.exp(a!.data[r * valueHeads + h]! + dtBias[h]!)),
        );
        const out = deltaStep(
          state,
          unit(part(q!, keyHead, dk)).map((x) => x / Math.sqrt(dk)),
          unit(part(k!, keyHead, dk)),
          part(v!, h, dv),
          decay,
          sigmoid(b!.data[r * valueHeads + h]!),
        );
        y.data.set(out, (r * valueHeads + h) * dv);
      }
    });
    return [y];
  },
};

const rowOf = (x: Matrix, r: number): Float32Array =>
  (x.data as Float32Array).subarray(r * x.width, (r + 1) * x.width);

/** x · rsqrt(Σx² + 1e-6) */
function unit(x: number[]): number[] {
  const factor = 1 / Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) + 1e-6);
  return x.map((v) => v * factor);
}

/** S ← S·decay; S ← S + k ⊗ β(v − kᵀS); returns qᵀS. state: [dk, dv] */
function deltaStep(
  state: Float32Array,
  q: number[],
  k: number[],
  v: number[],
  decay: number,
  beta: number,
): number[] {
  const dv = v.length;
  for (let i = 0; i < state.length; i++) state[i] = state[i]! * decay;
  const error = v.map(
    (value, j) => beta * (value - k.reduce((sum, ki, i) => sum + ki * state[i * dv + j]!, 0)),
  );
  k.forEach((ki, i) => error.forEach((e, j) => (state[i * dv + j] = state[i * dv + j]! + ki * e)));
  return v.map((_, j) => q.reduce((sum, qi, i) => sum + qi * state[i * dv + j]!, 0));
}

function rowsByIndex(call: OpCall, combine: (x: number, row: number) => number): Matrix[] {
  const [x, rows, index] = call.in as Matrix[];
  const data = (x!.data as Float32Array).map((value, i) => {
    const from = index!.data[Math.floor(i / x!.width)]!;
    return from < 0 ? value : combine(value, rows!.data[from * x!.width + (i % x!.width)]!);
  });
  return [{ rows: x!.rows, width: x!.width, data }];
}

/** One row's query heads against lists of key and value rows. */
function attend(call: OpCall, q: Float32Array, keys: Float32Array[], values: Float32Array[]): Float32Array {
  const [heads, kvHeads, kDim, vDim] = [
    number(call, 'heads', 1),
    number(call, 'kvHeads', 1),
    number(call, 'kDim', 0),
    number(call, 'vDim', 0),
  ];
  const [scale, cap] = [number(call, 'scale', 1), number(call, 'softcap', 0)];
  const out = new Float32Array(heads * vDim);
  for (let h = 0; h < heads; h++) {
    const shared = Math.floor((h * kvHeads) / heads);
    const scores = keys.map((key) => {
      let sum = 0;
      for (let c = 0; c < kDim; c++) sum += q[h * kDim + c]! * key[shared * kDim + c]!;
      return cap > 0 ? cap * Math.tanh((sum * scale) / cap) : sum * scale;
    });
    const largest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    const exps = scores.map((s) => Math.exp(s - largest));
    const total = exps.reduce((a, b) => a + b, 0);
    for (let c = 0; c < vDim; c++) {
      let sum = 0;
      for (let j = 0; j < exps.length; j++) sum += exps[j]! * values[j]![shared * vDim + c]!;
      out[h * vDim + c] = sum / total;
    }
  }
  return out;
}
