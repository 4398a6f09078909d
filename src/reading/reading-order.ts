// The order in which people read what stands on a page: columns one after the other, rows of a table from left to right.
import type { Bounds } from './quad.js';

/** Lines whose middles are nearer than this share of their height stand in one row. */
const LEVEL = 0.4;
/** Lines that belong to a row of a table are as level as type can be. */
const STRICTLY_LEVEL = 0.12;
/** A gutter is at least so wide, in heights of a line, and has at least so many lines on each side. */
const GUTTER = 1;
const LEAST_LINES = 3;
/** Share of lines that may run into the gutter, as the long entries of a narrow sidebar do. */
const STRAYS = 0.15;
/** Bands over one column alone with which a run of columns may begin: a title, and what is under it. */
const ALONE_AT_FIRST = 3;
/** So many more are borne while columns are looked for: the first lines may be strays. */
const STRAYS_AT_FIRST = 2;
/** White above and below a line that stands over both columns, in its heights: a heading, and no stray. */
const SET_APART = 0.5;
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

/** White from left to right, and how many lines run into it all the same. */
interface Gutter {
  from: number;
  to: number;
  strays: number;
}

/** The longest run of bands from `start` on that one gutter parts into two columns. */
function columnsFrom(lines: readonly Placed[], bands: number[][], start: number): Columns | undefined {
  const runs: { gutters: Gutter[]; members: number; end: number }[] = [];
  const members: number[] = [];
  let gutters: Gutter[] = [{ from: -Infinity, to: Infinity, strays: 0 }];
  for (let at = start; at < bands.length && gutters.length > 0; at++) {
    members.push(...bands[at]!);
    gutters = gutters
      .flatMap((gutter) => narrowed(lines, bands, at, gutter))
      .filter(({ strays }) => strays <= STRAYS * members.length + STRAYS_AT_FIRST);
    const accepted = gutters.filter((gutter) => isInside(gutter) && gutter.strays <= STRAYS * members.length);
    if (at - start >= ALONE_AT_FIRST && !gutters.some(isInside)) break;
    // Of runs between the same gutters the longest is looked at.
    if (isSame(runs.at(-1)?.gutters, accepted)) runs.pop();
    runs.push({ gutters: accepted, members: members.length, end: at + 1 });
  }
  for (const run of runs.reverse()) {
    for (const gutter of run.gutters) {
      const columns = partedBy(lines, members.slice(0, run.members), gutter);
      if (columns) return { ...columns, end: run.end };
    }
  }
  return undefined;
}

function isSame(some: Gutter[] | undefined, others: Gutter[]): boolean {
  if (some?.length !== others.length) return false;
  return some.every(({ from, to }, at) => from === others[at]!.from && to === others[at]!.to);
}

function isInside({ from, to }: Gutter): boolean {
  return from > -Infinity && to < Infinity;
}

/** What a band leaves of a gutter. Lines that would close it are strays, unless they stand over both columns. */
function narrowed(lines: readonly Placed[], bands: number[][], at: number, gutter: Gutter): Gutter[] {
  const band = bands[at]!;
  const open = band.filter((member) => !closes(gutter, lines[member]!));
  if (open.length === 0 && standsOver(lines, bands, at, gutter)) return [];
  const strays = gutter.strays + band.length - open.length;
  let left: Gutter[] = [{ ...gutter, strays }];
  // The widest last: what others leave open it may close.
  for (const member of open.sort((a, b) => width(lines[a]!) - width(lines[b]!))) {
    const line = lines[member]!;
    left = left.flatMap((part) =>
      closes(part, line) ? [{ ...part, strays: part.strays + 1 }] : without(part, line),
    );
  }
  return left;
}

function without(gutter: Gutter, line: Placed): Gutter[] {
  const { left, right } = line.bounds;
  if (right <= gutter.from || left >= gutter.to) return [gutter];
  const least = GUTTER * height(line);
  return [
    ...(left - gutter.from >= least ? [{ ...gutter, to: left }] : []),
    ...(gutter.to - right >= least ? [{ ...gutter, from: right }] : []),
  ];
}

/** Whether a line leaves nothing of a gutter that is wide enough. */
function closes({ from, to }: Gutter, line: Placed): boolean {
  const { left, right } = line.bounds;
  if (right <= from || left >= to) return false;
  return Math.max(left - from, to - right) < GUTTER * height(line);
}

/** Whether a band that closes the gutter begins lines that are set apart from what is above them and below. */
function standsOver(lines: readonly Placed[], bands: number[][], at: number, gutter: Gutter): boolean {
  let end = at + 1;
  while (end < bands.length && bands[end]!.every((member) => closes(gutter, lines[member]!))) end++;
  if (end === bands.length || at === 0) return true;
  const bottom = (band: number) => Math.max(...bands[band]!.map((member) => lines[member]!.bounds.bottom));
  const top = (band: number) => Math.min(...bands[band]!.map((member) => lines[member]!.bounds.top));
  const white = SET_APART * typical(lines, bands[at]!);
  return top(at) - bottom(at - 1) > white && top(end) - bottom(end - 1) > white;
}

function partedBy(
  lines: readonly Placed[],
  members: number[],
  { from, to }: Gutter,
): { left: number[]; right: number[] } | undefined {
  const left = members.filter((at) => lines[at]!.bounds.right <= from + 0.5);
  const right = members.filter((at) => lines[at]!.bounds.left >= to - 0.5);
  if (beside(lines, left, right) < LEAST_LINES) return undefined;
  if (to - from < GUTTER * Math.min(typical(lines, left), typical(lines, right))) return undefined;
  const prose = isProse(lines, left) && isProse(lines, right);
  if (!prose && partners(lines, left, right) >= TABLE) return undefined;
  // A stray belongs to the side that has more of it.
  const isLeft = ({ bounds }: Placed) => bounds.left + bounds.right < from + to;
  return {
    left: members.filter((at) => isLeft(lines[at]!)),
    right: members.filter((at) => !isLeft(lines[at]!)),
  };
}

/** How many rows of the one side, or of the other if fewer, stand no higher and no lower than the other side does. */
function beside(lines: readonly Placed[], left: number[], right: number[]): number {
  const within = (some: number[], others: number[]) => {
    const top = Math.min(...others.map((at) => lines[at]!.bounds.top));
    const bottom = Math.max(...others.map((at) => lines[at]!.bounds.bottom));
    const inside = some.filter((at) => middle(lines[at]!) > top && middle(lines[at]!) < bottom);
    return rowsOf(lines, inside).length;
  };
  return Math.min(within(left, right), within(right, left));
}

function typical(lines: readonly Placed[], members: number[]): number {
  const heights = members.map((at) => height(lines[at]!)).sort((a, b) => a - b);
  return heights[heights.length >> 1]!;
}

function height({ bounds }: Placed): number {
  return bounds.bottom - bounds.top;
}

function width({ bounds }: Placed): number {
  return bounds.right - bounds.left;
}

function middle({ bounds }: Placed): number {
  return (bounds.top + bounds.bottom) / 2;
}

/** Share of the shorter side's lines that are level with one of the other side. */
function partners(lines: readonly Placed[], left: number[], right: number[]): number {
  const [few, many] = left.length <= right.length ? [left, right] : [right, left];
  const sorted = many.map((at) => lines[at]!).sort((a, b) => middle(a) - middle(b));
  let next = 0;
  const level = few
    .map((at) => lines[at]!)
    .sort((a, b) => middle(a) - middle(b))
    .filter((a) => {
      while (next < sorted.length && middle(sorted[next]!) < middle(a)) next++;
      return [sorted[next - 1], sorted[next]].some(
        (b) => b && Math.abs(middle(a) - middle(b)) < STRICTLY_LEVEL * Math.min(height(a), height(b)),
      );
    });
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
