// Positions of prompt tokens: one axis (their index), or three for M-RoPE, where an image advances time once and
// spreads its rows and columns over the other two axes (Wang et al. 2024, Qwen2-VL). The moments of a timeline that is one
// block begin at the same rows and columns, each later than the one before.
import type { Grid } from './family.js';

/** Tokens [start, start + t·h·w) of the prompt are the image's merged grid, raster order. */
export interface GridSpan {
  start: number;
  grid: Grid;
}

export interface Positions {
  /** Row-major [tokens, axes]. */
  data: Int32Array;
  axes: 1 | 3;
  /**
   * A generated token at cache index i has position i + ropeDelta on every axis. Behind a timeline that is later than all text
   * the reference begins an answer later still, and puts it where text stands as soon as it is part of a prompt; here it
   * always stands there, so that an answer which is cut goes on as it began.
   */
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
  let first = 0;
  const text = (end: number): void => {
    for (; token < end; token++, next++) data.fill(next, token * 3, token * 3 + 3);
  };
  for (const { start, grid } of spans) {
    text(start);
    if (grid.later === undefined) first = next;
    const time = first + (grid.later ?? 0);
    for (let t = 0; t < grid.t; t++) {
      for (let row = 0; row < grid.h; row++) {
        for (let column = 0; column < grid.w; column++, token++)
          data.set([time + t, first + row, first + column], token * 3);
      }
    }
    next = first + Math.max(grid.h, grid.w);
  }
  text(tokens);
  return { data, axes: 3, ropeDelta: next - tokens };
}
