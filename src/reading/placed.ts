// Lines as they stand on a page, before anyone has read them in order.
import type { Bounds } from './quad.js';

/** Lines whose middles are nearer than this share of their height stand in one row. */
const LEVEL = 0.4;
/** Where type stands on its line: so much of the height of a line lies below. */
const BELOW = 0.2;

export interface Placed {
  bounds: Bounds;
  text: string;
}

export function height({ bounds }: Placed): number {
  return bounds.bottom - bounds.top;
}

export function width({ bounds }: Placed): number {
  return bounds.right - bounds.left;
}

export function middle({ bounds }: Placed): number {
  return (bounds.top + bounds.bottom) / 2;
}

export function baseline(line: Placed): number {
  return line.bounds.bottom - BELOW * height(line);
}

export function leftOf(lines: readonly Placed[], members: readonly number[]): number {
  return Math.min(...members.map((at) => lines[at]!.bounds.left));
}

export function topOf(lines: readonly Placed[], members: readonly number[]): number {
  return Math.min(...members.map((at) => lines[at]!.bounds.top));
}

export function bottomOf(lines: readonly Placed[], members: readonly number[]): number {
  return Math.max(...members.map((at) => lines[at]!.bounds.bottom));
}

/** The usual height of some lines. */
export function typical(lines: readonly Placed[], members: readonly number[]): number {
  const heights = members.map((at) => height(lines[at]!)).sort((a, b) => a - b);
  return heights[heights.length >> 1]!;
}

/** Lines on one level are a row, from left to right; rows from top to bottom. */
export function rowsOf(lines: readonly Placed[], members: readonly number[]): number[][] {
  const rows: number[][] = [];
  for (const member of [...members].sort((a, b) => middle(lines[a]!) - middle(lines[b]!))) {
    const first = rows.at(-1)?.[0];
    const near = first !== undefined && middle(lines[member]!) - middle(lines[first]!);
    if (near !== false && near < LEVEL * Math.min(height(lines[member]!), height(lines[first!]!)))
      rows.at(-1)!.push(member);
    else rows.push([member]);
  }
  return rows.map((row) => row.sort((a, b) => lines[a]!.bounds.left - lines[b]!.bounds.left));
}
