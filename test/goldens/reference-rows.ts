// Operators that read only their own row: naive loops after the formulas in native/graph/ops.h.
import type { ProgramOp } from '../../src/graph/program.js';

export interface Matrix {
  rows: number;
  width: number;
  data: Float32Array | Int32Array;
}

export interface OpCall {
  in: (Matrix | null)[];
  weights: ({ shape: number[]; data: Float32Array } | null)[];
  attrs: ProgramOp['attrs'];
  /** Rows of the output, where no input says it. */
  rows: number;
}

export type Kernel = (call: OpCall) => Matrix[];

export const number = (call: OpCall, name: string, fallback: number): number =>
  (call.attrs[name] as number | undefined) ?? fallback;
const list = (call: OpCall, name: string): number[] => call.attrs[name] as number[];
export const blank = (rows: number, width: number): Matrix & { data: Float32Array } => ({
  rows,
  width,
  data: new Float32Array(rows * width),
});

/** Abramowitz-Stegun is not exact enough: the series and continued fraction of erf to double precision. */
function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = a;
    let sum = a;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) sum += (term *= (-a * a) / n) / (2 * n + 1);
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const ACTIVATIONS: Record<string, (x: number) => number> = {
  none: (x) => x,
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  quick_gelu: (x) => x * sigmoid(1.702 * x),
  silu: (x) => x * sigmoid(x),
  sigmoid,
  relu: (x) => Math.max(0, x),
  tanh: Math.tanh,
};

export const activation = (call: OpCall): ((x: number) => number) =>
  ACTIVATIONS[(call.attrs.activation as string | undefined) ?? 'none']!;

/** f over groups of d columns: reads input[from, from+d), writes output from the same place. */
function perGroup(
  call: OpCall,
  f: (
    x: Float32Array,
    y: Float32Array,
    weight: Float32Array | undefined,
    bias: Float32Array | undefined,
  ) => void,
): Matrix[] {
  const x = call.in[0]!;
  const d = x.width / number(call, 'groups', 1);
  const out = blank(x.rows, x.width);
  for (let at = 0; at < x.data.length; at += d) {
    f(
      (x.data as Float32Array).subarray(at, at + d),
      out.data.subarray(at, at + d),
      call.weights[0]?.data,
      call.weights[1]?.data,
    );
  }
  return [out];
}

const elementwise = (call: OpCall, f: (x: number, i: number) => number): Matrix[] => {
  const x = call.in[0]!;
  return [{ ...x, data: (x.data as Float32Array).map(f) }];
};

/** Second operand at element i: same shape, one column, or a vector of the checkpoint. */
function operand(call: OpCall): (i: number) => number {
  const [a, b] = [call.in[0]!, call.in[1]];
  const vector = call.weights[0]?.data;
  if (vector) return (i) => vector[i % a.width]!;
  if (b!.width === 1 && a.width > 1) return (i) => b!.data[Math.floor(i / a.width)]!;
  return (i) => b!.data[i]!;
}

export const rowKernels: Record<string, Kernel> = {
  linear(call) {
    const [x, residual] = [call.in[0]!, call.in[1]];
    const [out, width] = call.weights[0]!.shape as [number, number];
    const w = call.weights[0]!.data;
    const bias = call.weights[1]?.data;
    const f = activation(call);
    const y = blank(x.rows, out);
    for (let r = 0; r < x.rows; r++) {
      for (let o = 0; o < out; o++) {
        let sum = 0;
        for (let c = 0; c < width; c++) sum += x.data[r * width + c]! * w[o * width + c]!;
        y.data[r * out + o] = f(sum + (bias?.[o] ?? 0)) + (residual?.data[r * out + o] ?? 0);
      }
    }
    return [y];
  },
  embedding(call) {
    const [vocab, width] = call.weights[0]!.shape as [number, number];
    const y = blank(call.in[0]!.rows, width);
    call.in[0]!.data.forEach((id, r) => {
      const place = id - number(call, 'start', 0);
      const row = place < 0 || place >= vocab ? 0 : place;
      for (let c = 0; c < width; c++)
        y.data[r * width + c] = call.weights[0]!.data[row * width + c]! * number(call, 'scale', 1);
    });
    return [y];
  },
  rmsNorm: (call) =>
    perGroup(call, (x, y, weight) => {
      const factor = 1 / Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length + number(call, 'eps', 0));
      x.forEach((v, i) => (y[i] = v * factor * (weight ? weight[i]! + number(call, 'weightOffset', 0) : 1)));
    }),
  layerNorm: (call) =>
    perGroup(call, (x, y, weight, bias) => {
      const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
      const factor =
        1 / Math.sqrt(x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length + number(call, 'eps', 0));
      x.forEach((v, i) => (y[i] = (v - mean) * factor * (weight?.[i] ?? 1) + (bias?.[i] ?? 0)));
    }),
  ropeTable(call) {
    const positions = call.in[0]!;
    const [invFreq, axis, scale] = [list(call, 'invFreq'), list(call, 'axis'), number(call, 'scale', 1)];
    const n = invFreq.length;
    const y = blank(positions.rows, 2 * n);
    for (let r = 0; r < positions.rows; r++) {
      for (let i = 0; i < n; i++) {
        const angle = Math.fround(positions.data[r * positions.width + axis[i]!]! * Math.fround(invFreq[i]!));
        y.data[r * 2 * n + i] = Math.cos(angle) * scale;
        y.data[r * 2 * n + n + i] = Math.sin(angle) * scale;
      }
    }
    return [y];
  },
  rope(call) {
    const [x, table] = [call.in[0]!, call.in[1]!];
    const groups = number(call, 'groups', 1);
    const [d, n, start] = [x.width / groups, table.width / 2, number(call, 'start', 0)];
    const y = { ...x, data: (x.data as Float32Array).slice() };
    for (let r = 0; r < x.rows; r++) {
      for (let g = 0; g < groups; g++) {
        const at = r * x.width + g * d + start;
        for (let i = 0; i < n; i++) {
          const [ia, ib] = call.attrs.interleaved ? [at + 2 * i, at + 2 * i + 1] : [at + i, at + i + n];
          const [a, b] = [x.data[ia]!, x.data[ib]!];
          const [cos, sin] = [table.data[r * 2 * n + i]!, table.data[r * 2 * n + n + i]!];
          y.data[ia] = a * cos - b * sin;
          y.data[ib] = b * cos + a * sin;
        }
      }
    }
    return [y];
  },
  add: (call) => {
    const b = operand(call);
    return elementwise(call, (a, i) => a + b(i));
  },
  mul: (call) => {
    const b = operand(call);
    return elementwise(call, (a, i) => a * b(i));
  },
  activation: (call) => {
    const f = activation(call);
    return elementwise(call, (x) => f(x) * number(call, 'scale', 1));
  },
  gatedActivation: (call) => {
    const f = activation(call);
    return elementwise(call, (gate, i) => f(gate) * call.in[1]!.data[i]!);
  },
  clamp: (call) =>
    elementwise(call, (x) => Math.min(Math.max(x, call.weights[0]!.data[0]!), call.weights[1]!.data[0]!)),
  softcap: (call) =>
    elementwise(call, (x) => number(call, 'softcap', 0) * Math.tanh(x / number(call, 'softcap', 0))),
  rowStatistic(call) {
    const x = call.in[0]!;
    const y = blank(x.rows, 1);
    for (let r = 0; r < x.rows; r++) {
      const row = (x.data as Float32Array).subarray(r * x.width, (r + 1) * x.width);
      const mean = row.reduce((sum, v) => sum + v, 0) / x.width;
      const rms = Math.sqrt(
        Math.max(row.reduce((sum, v) => sum + v * v, 0) / x.width, number(call, 'eps', 0)),
      );
      const values: Record<string, number> = {
        mean,
        deviation: Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.width),
        rms,
        inverse_rms: 1 / rms,
      };
      y.data[r] = values[call.attrs.statistic as string]! * number(call, 'scale', 1);
    }
    return [y];
  },
  chooseRows(call) {
    const [a, b, ids] = call.in as [Matrix, Matrix, Matrix];
    const [start, count] = [number(call, 'start', 0), number(call, 'count', 0)];
    return elementwise(call, (_, i) => {
      const id = ids.data[Math.floor(i / a.width)]!;
      return (id >= start && id < start + count ? b : a).data[i]!;
    });
  },
  regroup: (call) => {
    const x = call.in[0]!;
    const factor = number(call, 'factor', 1) / number(call, 'split', 1);
    return [{ rows: x.rows / factor, width: x.width * factor, data: x.data }];
  },
  slice: (call) =>
    columns(call, (x, d, groups) => {
      const [start, count] = [number(call, 'start', 0), number(call, 'count', 0)];
      return [
        groups * count,
        (r, i) => x.data[r * x.width + Math.floor(i / count) * d + start + (i % count)]!,
      ];
    }),
  concat: (call) =>
    columns(call, (a, da, groups) => {
      const b = call.in[1]!;
      const db = b.width / groups;
      return [
        a.width + b.width,
        (r, i) => {
          const [g, c] = [Math.floor(i / (da + db)), i % (da + db)];
          return c < da ? a.data[r * a.width + g * da + c]! : b.data[r * b.width + g * db + c - da]!;
        },
      ];
    }),
  repeat: (call) =>
    columns(call, (x) => [
      x.width * number(call, 'times', 1),
      (r, i) => x.data[r * x.width + (i % x.width)]!,
    ]),
  transposeInner: (call) =>
    columns(call, (x) => {
      const m = number(call, 'm', 1);
      const n = x.width / m;
      return [x.width, (r, i) => x.data[r * x.width + (i % m) * n + Math.floor(i / m)]!];
    }),
  route(call) {
    const logits = call.in[0]!;
    const k = number(call, 'k', 1);
    const weights = blank(logits.rows, k);
    const ids = { rows: logits.rows, width: k, data: new Int32Array(logits.rows * k) };
    for (let r = 0; r < logits.rows; r++) {
      const row = Array.from(logits.data.subarray(r * logits.width, (r + 1) * logits.width));
      const chosen = topExperts(call, row, k);
      weights.data.set(chosen.weights, r * k);
      ids.data.set(chosen.ids, r * k);
    }
    return [weights, ids];
  },
  expertLinear(call) {
    const [x, ids] = [call.in[0]!, call.in[1]!];
    const [, out, width] = call.weights[0]!.shape as [number, number, number];
    const [w, k] = [call.weights[0]!.data, number(call, 'k', 1)];
    const y = blank(x.rows, k * out);
    for (let r = 0; r < x.rows; r++) {
      for (let i = 0; i < k; i++) {
        const from = r * x.width + (call.attrs.perExpert ? i * width : 0);
        const expert = ids.data[r * k + i]! * out * width;
        for (let o = 0; o < out; o++) {
          let sum = 0;
          for (let c = 0; c < width; c++) sum += x.data[from + c]! * w[expert + o * width + c]!;
          y.data[(r * k + i) * out + o] = sum;
        }
      }
    }
    return [y];
  },
  expertSum(call) {
    const [x, weights, k] = [call.in[0]!, call.in[1]!, number(call, 'k', 1)];
    const width = x.width / k;
    const y = blank(x.rows, width);
    for (let r = 0; r < x.rows; r++) {
      for (let c = 0; c < width; c++) {
        let sum = 0;
        for (let i = 0; i < k; i++) sum += weights.data[r * k + i]! * x.data[(r * k + i) * width + c]!;
        y.data[r * width + c] = sum;
      }
    }
    return [y];
  },
};

/** Builds rows column by column: `plan` gives the width and the element at (row, column). */
function columns(
  call: OpCall,
  plan: (x: Matrix, groupWidth: number, groups: number) => [number, (r: number, i: number) => number],
): Matrix[] {
  const x = call.in[0]!;
  const groups = number(call, 'groups', 1);
  const [width, at] = plan(x, x.width / groups, groups);
  const y = blank(x.rows, width);
  for (let r = 0; r < x.rows; r++) for (let i = 0; i < width; i++) y.data[r * width + i] = at(r, i);
  return [y];
}

function topExperts(call: OpCall, logits: number[], k: number): { weights: number[]; ids: number[] } {
  const largest = Math.max(...logits);
  const exps = logits.map((x) => Math.exp(x - largest));
  const total = exps.reduce((a, b) => a + b, 0);
  const scores = call.attrs.sigmoidScore ? logits.map(sigmoid) : exps.map((e) => e / total);
  const ranked = scores.map((s, e) => s + (call.weights[0]?.data[e] ?? 0));
  const allowed = allowedGroups(call, ranked);
  const size = ranked.length / number(call, 'groups', 1);
  const order = ranked.map((_, e) => e).filter((e) => allowed.has(Math.floor(e / size)));
  const ids = order.sort((a, b) => ranked[b]! - ranked[a]! || a - b).slice(0, k);
  const sum = call.attrs.normalize ? ids.reduce((s, e) => s + scores[e]!, 0) : 1;
  return { ids, weights: ids.map((e) => (scores[e]! / sum) * number(call, 'scale', 1)) };
}

function allowedGroups(call: OpCall, ranked: number[]): Set<number> {
  const groups = number(call, 'groups', 1);
  const size = ranked.length / groups;
  const best = Array.from({ length: groups }, (_, g) => {
    const [first = 0, second = 0] = ranked.slice(g * size, (g + 1) * size).sort((a, b) => b - a);
    return { g, value: first + second };
  });
  if (groups === 1) return new Set([0]);
  return new Set(
    best
      .sort((a, b) => b.value - a.value || a.g - b.g)
      .slice(0, number(call, 'topkGroups', 1))
      .map(({ g }) => g),
  );
}
