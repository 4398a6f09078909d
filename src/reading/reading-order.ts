// The order in which people read what stands on a page: columns one after the other, rows of a table from left to right.
import type { Bounds } from './quad.js';

/** Lines whose middles are nearer than this share of their height stand in one row. */
const LEVEL = 0.4;
/** Lines that belong to a row of a table are as level as type can be. */
const STRICTLY_LEVEL = 0.2;
/** A gutter is at least so wide, in heights of a line, and has at least so many lines on each side. */
const GUTTER = 1;
const LEAST_LINES = 3;
/** Share of lines with a partner across the gutter from which the sides are a table and no columns. */
const TABLE = 0.6;
/** Running text: lines of so many characters, most of them as long as the longest. */
const PROSE_CHARACTERS = 25;
const PROSE_SHARE = 0.5;

export interface Placed {
  bounds: Bounds;
  /** Characters. */
  length: number;
}

/** @returns rows in reading order, each the indices of its lines from left to right */
export function readingOrder(lines: readonly Placed[]): number[][] {
  return ordered(
    lines,
    lines.map((_, at) => at),
  );
}

function ordered(lines: readonly Placed[], members: number[]): number[][] {
  const bands = bandsOf(lines, members);
  const order: number[][] = [];
  for (let at = 0; at < bands.length;) {
    const columns = columnsFrom(lines, bands, at);
    if (columns) {
      order.push(...ordered(lines, columns.left), ...ordered(lines, columns.right));
      at = columns.end;
    } else order.push(...rowsOf(lines, bands[at++]!));
  }
  return order;
}

/** Stretches of the page with nothing but white above and below, top to bottom. */
function bandsOf(lines: readonly Placed[], members: number[]): number[][] {
  const sorted = [...members].sort((a, b) => core(lines[a]!).top - core(lines[b]!).top);
  const bands: number[][] = [];
  let bottom = -Infinity;
  for (const member of sorted) {
    const { top, bottom: end } = core(lines[member]!);
    if (top >= bottom) bands.push([]);
    bands.at(-1)!.push(member);
    bottom = Math.max(bottom, end);
  }
  return bands;
}

/** A line's middle part: ascenders and descenders of neighbours reach into each other. */
function core({ bounds: { top, bottom } }: Placed): { top: number; bottom: number } {
  const inset = (bottom - top) * 0.25;
  return { top: top + inset, bottom: bottom - inset };
}

interface Columns {
  left: number[];
  right: number[];
  /** First band after them. */
  end: number;
}

/** The longest run of bands from `start` on that one gutter parts into two columns. */
function columnsFrom(lines: readonly Placed[], bands: number[][], start: number): Columns | undefined {
  let gutters: [number, number][] = [[-Infinity, Infinity]];
  let best: Columns | undefined;
  const members: number[] = [];
  for (let end = start; end < bands.length; end++) {
    members.push(...bands[end]!);
    gutters = bands[end]!.reduce((free, at) => without(free, lines[at]!.bounds), gutters);
    if (gutters.every(([left, right]) => left === -Infinity || right === Infinity)) break;
    const found = gutters.map((gutter) => partedBy(lines, members, gutter)).find((columns) => columns);
    if (found) best = { ...found, end: end + 1 };
  }
  return best;
}

function without(free: [number, number][], { left, right }: Bounds): [number, number][] {
  return free.flatMap(([from, to]): [number, number][] => {
    if (right <= from || left >= to) return [[from, to]];
    return [
      ...(left > from ? [[from, left] as [number, number]] : []),
      ...(right < to ? [[right, to] as [number, number]] : []),
    ];
  });
}

function partedBy(
  lines: readonly Placed[],
  members: number[],
  [from, to]: [number, number],
): { left: number[]; right: number[] } | undefined {
  if (from === -Infinity || to === Infinity) return undefined;
  const left = members.filter((at) => lines[at]!.bounds.right <= from + 0.5);
  const right = members.filter((at) => lines[at]!.bounds.left >= to - 0.5);
  if (Math.min(left.length, right.length) < LEAST_LINES) return undefined;
  if (to - from < GUTTER * Math.min(typical(lines, left), typical(lines, right))) return undefined;
  const prose = isProse(lines, left) && isProse(lines, right);
  return prose || partners(lines, left, right) < TABLE ? { left, right } : undefined;
}

function typical(lines: readonly Placed[], members: number[]): number {
  const heights = members.map((at) => height(lines[at]!)).sort((a, b) => a - b);
  return heights[heights.length >> 1]!;
}

function height({ bounds }: Placed): number {
  return bounds.bottom - bounds.top;
}

function middle({ bounds }: Placed): number {
  return (bounds.top + bounds.bottom) / 2;
}

/** Share of the shorter side's lines that are level with one of the other side. */
function partners(lines: readonly Placed[], left: number[], right: number[]): number {
  const [few, many] = left.length <= right.length ? [left, right] : [right, left];
  const level = few.filter((a) =>
    many.some(
      (b) =>
        Math.abs(middle(lines[a]!) - middle(lines[b]!)) <
        STRICTLY_LEVEL * Math.min(height(lines[a]!), height(lines[b]!)),
    ),
  );
  return level.length / few.length;
}

function isProse(lines: readonly Placed[], members: number[]): boolean {
  const longest = Math.max(...members.map((at) => lines[at]!.length));
  const full = members.filter((at) => lines[at]!.length > 0.75 * longest);
  return longest >= PROSE_CHARACTERS && full.length >= PROSE_SHARE * members.length;
}

function rowsOf(lines: readonly Placed[], members: number[]): number[][] {
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
