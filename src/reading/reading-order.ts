// The order in which people read what stands on a page: columns one after the other, rows of a table from left to right.
import { bottomOf, height, rowsOf, topOf, typical, width, type Placed } from './placed.js';
import { withoutOverruns } from './overruns.js';
import { arrangementOf, blocksOf, isProse } from './side-by-side.js';

/** A gutter is at least so wide, in heights of a line. */
const GUTTER = 1;
/** Share of lines that may run into the gutter, as the long entries of a narrow sidebar do. */
const STRAYS = 0.15;
/** Bands over one column alone with which a run of columns may begin: a title, and what is under it. */
const ALONE_AT_FIRST = 3;
/** So many more are borne while columns are looked for: the first lines may be strays. */
const STRAYS_AT_FIRST = 2;
/** White above and below a line that stands over both columns, in its heights: a heading, and no stray. */
const SET_APART = 0.5;
/** White above running text that goes on, in heights of a line, is less than this; above a box let into it so much more. */
const PARAGRAPH = 1;
const LET_IN = 0.5;
/** White inside such a box is less than this. */
const BOX_GAP = 3;

/** @returns rows in reading order, each the indices of its lines from left to right */
export function readingOrder(lines: readonly Placed[]): number[][] {
  return ordered(
    withoutOverruns(lines),
    lines.map((_, at) => at),
  );
}

function ordered(lines: readonly Placed[], members: number[]): number[][] {
  const bands = bandsOf(lines, members);
  const order: number[][] = [];
  for (let at = 0; at < bands.length;) {
    const sides = sidesFrom(lines, bands, at);
    if (sides) {
      order.push(...sides.order);
      at = sides.end;
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

interface Sides {
  order: number[][];
  /** First band after them. */
  end: number;
}

/** White from left to right, and how many lines run into it all the same. */
interface Gutter {
  from: number;
  to: number;
  strays: number;
}

/** The longest run of bands from `start` on that one gutter parts into two columns, or into cells. */
function sidesFrom(lines: readonly Placed[], bands: number[][], start: number): Sides | undefined {
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
    // Of runs between the same gutters, with the same strays, the longest is looked at.
    if (isSame(runs.at(-1)?.gutters, accepted)) runs.pop();
    runs.push({ gutters: accepted, members: members.length, end: at + 1 });
  }
  let table: Sides | undefined;
  for (const run of runs.reverse()) {
    for (const gutter of run.gutters) {
      const parts = partedBy(lines, members.slice(0, run.members), gutter, bands[run.end]);
      if (parts?.kind === 'columns') return { order: parts.order, end: run.end };
      // Beside a column a table is part of the other one.
      if (parts) table ??= { order: parts.order, end: run.end };
    }
  }
  return table;
}

function isSame(some: Gutter[] | undefined, others: Gutter[]): boolean {
  if (some?.length !== others.length) return false;
  return some.every(({ from, to, strays }, at) => {
    const other = others[at]!;
    return from === other.from && to === other.to && strays === other.strays;
  });
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

/** @param next The band below them. */
function partedBy(
  lines: readonly Placed[],
  members: number[],
  { from, to }: Gutter,
  next: number[] | undefined,
): { kind: 'columns' | 'table'; order: number[][] } | undefined {
  const left = members.filter((at) => lines[at]!.bounds.right <= from + 0.5);
  const right = members.filter((at) => lines[at]!.bounds.left >= to - 0.5);
  if (left.length === 0 || right.length === 0) return undefined;
  if (to - from < GUTTER * Math.min(typical(lines, left), typical(lines, right))) return undefined;
  const sides = new Set([...left, ...right]);
  const strays = members.filter((at) => !sides.has(at));
  const arrangement = arrangementOf(lines, left, right, strays);
  if (arrangement.kind === 'nothing') return undefined;
  if (arrangement.kind === 'table')
    return { kind: 'table', order: arrangement.rows.flatMap((row) => cells(lines, row)) };
  // A stray belongs to the side that has more of it.
  const isLeft = ({ bounds }: Placed) => bounds.left + bounds.right < from + to;
  const columns = [
    members.filter((at) => isLeft(lines[at]!)),
    members.filter((at) => !isLeft(lines[at]!)),
  ] as const;
  const order = goesOn(lines, columns, next)
    ? aroundBox(lines, members, columns[1], next!)
    : columns.flatMap((column) => ordered(lines, column));
  return { kind: 'columns', order };
}

/** Whether the left column, and not the right one, goes on in lines below both: the right one is let into its text. */
function goesOn(
  lines: readonly Placed[],
  [left, right]: readonly [number[], number[]],
  next: number[] | undefined,
): boolean {
  if (!next || !isProse(lines, left)) return false;
  const [below, beside] = [left, right].map((column) => topOf(lines, next) - bottomOf(lines, column));
  const white = typical(lines, next);
  return below! < PARAGRAPH * white && beside! >= Math.max(0, below!) + LET_IN * white;
}

/** A box that is let into text is read after the paragraphs that end beside it, before the one that goes on below it. */
function aroundBox(
  lines: readonly Placed[],
  members: number[],
  column: number[],
  next: number[],
): number[][] {
  const box = blocksOf(lines, column, BOX_GAP).at(-1)!;
  const paragraphs = blocksOf(
    lines,
    members.filter((at) => !box.includes(at)),
  );
  const bottom = bottomOf(lines, box);
  const last = paragraphs.at(-1)!;
  const runsOn = topOf(lines, next) - bottomOf(lines, last) < SET_APART * typical(lines, next);
  const isBelow = (some: number[]) =>
    (topOf(lines, some) + bottomOf(lines, some)) / 2 > bottom || (some === last && runsOn);
  const before = paragraphs.filter((some) => !isBelow(some)).flat();
  const after = paragraphs.filter(isBelow).flat();
  return [before, box, after].flatMap((part) => ordered(lines, part));
}

/** A row of a table: its cells from left to right, each from top to bottom. */
function cells(lines: readonly Placed[], row: number[]): number[][] {
  if (rowsOf(lines, row).length === 1) return rowsOf(lines, row);
  const across = [...row].sort((a, b) => lines[a]!.bounds.left - lines[b]!.bounds.left);
  const found: number[][] = [];
  let right = -Infinity;
  for (const member of across) {
    if (lines[member]!.bounds.left > right) found.push([]);
    found.at(-1)!.push(member);
    right = Math.max(right, lines[member]!.bounds.right);
  }
  return found.flatMap((cell) => rowsOf(lines, cell));
}
