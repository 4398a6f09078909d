// Positions of prompt tokens: one axis (their index), or three for M-RoPE, where an image advances time once and
// spreads its rows and columns over the other two axes (Wang et al. 2024, Qwen2-VL).

/** Tokens [start, start + t·h·w) of the prompt are the image's merged grid, raster order. */
export interface GridSpan {
  start: number;
  grid: { t: number; h: number; w: number };
}

export interface Positions {
  /** Row-major [tokens, axes]. */
  data: Int32Array;
  axes: 1 | 3;
  /** A generated token at cache index i has position i + ropeDelta on every axis. */
  ropeDelta: number;
}

export function linearPositions(tokens: number): Positions {
  return { data: Int32Array.from({ length: tokens }, (_, i) => i), axes: 1, ropeDelta: 0 };
}

/** @param spans In prompt order, not overlapping. */
export function mropePositions(tokens: number, spans: GridSpan[]): Positions {
  const data = new Int32Array(tokens * 3);
  let token = 0;
  let next = 0;
  const text = (end: number): void => {
    for (; token < end; token++, next++) data.fill(next, token * 3, token * 3 + 3);
  };
  for (const { start, grid } of spans) {
    text(start);
    for (let t = 0; t < grid.t; t++) {
      for (let row = 0; row < grid.h; row++) {
        for (let column = 0; column < grid.w; column++, token++)
          data.set([next + t, next + row, next + column], token * 3);
      }
    }
    next += Math.max(grid.h, grid.w);
  }
  text(tokens);
  return { data, axes: 3, ropeDelta: next - tokens };
}
