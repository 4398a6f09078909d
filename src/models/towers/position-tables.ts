// How a learned square table of positions is read at another size: taps and weights for each patch. The rules
// are those of torch's `interpolate` that the reference models call.
import type { NamedTensor } from '../family.js';

/** For one output index: table indices along the axis and their weights. */
export type Taps = { index: number; weight: number }[];

/** Corners aligned: output 0 … n−1 spans table 0 … side−1. Two taps. */
export function bilinearCornerTaps(i: number, n: number, side: number): Taps {
  const at = n === 1 ? 0 : Math.fround((i * (side - 1)) / (n - 1));
  const low = Math.floor(at);
  return [
    { index: low, weight: 1 - (at - low) },
    { index: Math.min(low + 1, side - 1), weight: at - low },
  ];
}

/** Half-pixel centres, edge repeated. Two taps. */
export function bilinearTaps(i: number, n: number, side: number): Taps {
  const at = Math.max(0, Math.fround(((i + 0.5) * side) / n - 0.5));
  const low = Math.min(Math.floor(at), side - 1);
  return [
    { index: low, weight: 1 - (at - low) },
    { index: Math.min(low + 1, side - 1), weight: at - low },
  ];
}

/** Cubic convolution with a = −0.75, half-pixel centres, edge repeated. Four taps. */
export function bicubicTaps(i: number, n: number, side: number): Taps {
  const A = -0.75;
  const near = (x: number): number => ((A + 2) * x - (A + 3)) * x * x + 1;
  const far = (x: number): number => ((A * x - 5 * A) * x + 8 * A) * x - 4 * A;
  const at = ((i + 0.5) * side) / n - 0.5;
  const low = Math.floor(at);
  const t = at - low;
  return [far(t + 1), near(t), near(1 - t), far(2 - t)].map((weight, k) => ({
    index: Math.min(side - 1, Math.max(0, low - 1 + k)),
    weight,
  }));
}

/** Triangle filter, half-pixel centres; its support grows when the table is shrunk. Up to `side` taps. */
export function antialiasedTaps(i: number, n: number, side: number): Taps {
  return filteredTaps(i, n, side, 1, (x) => Math.max(0, 1 - x));
}

/** The same with cubic convolution, a = −0.5. */
export function antialiasedBicubicTaps(i: number, n: number, side: number): Taps {
  return filteredTaps(i, n, side, 2, (x) => {
    if (x >= 2) return 0;
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : ((-0.5 * x + 2.5) * x - 4) * x + 2;
  });
}

/** `kernel` of a distance, 0 from `reach` on. */
function filteredTaps(
  i: number,
  n: number,
  side: number,
  reach: number,
  kernel: (distance: number) => number,
): Taps {
  const scale = side / n;
  const widened = Math.max(scale, 1);
  const support = reach * widened;
  const centre = scale * (i + 0.5);
  const first = Math.max(0, Math.trunc(centre - support + 0.5));
  const last = Math.min(side, Math.trunc(centre + support + 0.5));
  const taps = Array.from({ length: last - first }, (_, k) => ({
    index: first + k,
    weight: kernel(Math.abs((first + k - centre + 0.5) / widened)),
  }));
  const total = taps.reduce((sum, { weight }) => sum + weight, 0);
  return taps.map(({ index, weight }) => ({ index, weight: weight / total }));
}

/** As many taps as asked for; those added have no weight. */
export function paddedTaps(taps: Taps, count: number): Taps {
  return Array.from({ length: count }, (_, t) => taps[t] ?? { index: 0, weight: 0 });
}

/** Products of the taps of a row and a column: one list per place of the given order. */
export function gridTaps(
  places: [row: number, column: number][],
  rows: Taps[],
  columns: Taps[],
  side: number,
): { index: NamedTensor; weight: NamedTensor } {
  const count = rows[0]!.length * columns[0]!.length;
  const index = new Int32Array(places.length * count);
  const weight = new Float32Array(places.length * count);
  let at = 0;
  for (const [row, column] of places) {
    for (const y of rows[row]!) {
      for (const x of columns[column]!) {
        index[at] = y.index * side + x.index;
        weight[at++] = Math.fround(y.weight) * Math.fround(x.weight);
      }
    }
  }
  return {
    index: { data: index, rows: places.length, width: count },
    weight: { data: weight, rows: places.length, width: count },
  };
}

/** The side of a square table of `positions` rows. */
export function tableSide(positions: number): number {
  return Math.round(Math.sqrt(positions));
}
