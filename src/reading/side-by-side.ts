// What two sides of a page that white parts from each other are: columns, which are read one after the other, or cells of
// a table, which are read row by row.
import { baseline, bottomOf, height, middle, rowsOf, topOf, typical, leftOf, type Placed } from './placed.js';

/** Lines that belong to a row of a table are as level as type can be. */
const STRICTLY_LEVEL = 0.12;
/** Columns have at least so many rows beside each other. */
const LEAST_ROWS = 3;
/** Lines stand beside each other when their middles are nearer than this, in heights of a line. */
const NEAR = 0.8;
/** Share of lines beside the other side that have a line of it on their level: terms above what they mean have none. */
const BESIDE = 0.5;
/** Share of lines with a partner across the gutter, or of blocks with one, from which the sides are a table. */
const TABLE = 0.6;
/** Running text: lines of so many characters and words, most of them as long as the longest, no two in a row. */
const PROSE_CHARACTERS = 25;
const PROSE_WORDS = 3;
const PROSE_SHARE = 0.5;
const ROWS_OF_ONE = 0.8;
/** White that parts blocks of lines, in heights of a line, and how nearly cells of one row begin or lie on one level. */
const BLOCK_GAP = 0.5;
const BLOCK_LEVEL = 0.3;
/** So much more white than most of its lines have below them parts the cells of a column. */
const CELL_GAP = 0.2;
/** An index has at least so many entries on each side, and so many of them in the order of the alphabet. */
const LEAST_ENTRIES = 6;
const SORTED = 0.7;

export type Arrangement =
  | { kind: 'columns' | 'nothing' }
  /** Its rows from top to bottom; cells have several lines. */
  | { kind: 'table'; rows: number[][] };

/** @param left, right Lines wholly on one side. @param strays Lines that run across. */
export function arrangementOf(
  lines: readonly Placed[],
  left: number[],
  right: number[],
  strays: number[],
): Arrangement {
  const [few, many] = besideEachOther(lines, left, right);
  if (Math.min(rowsOf(lines, few).length, rowsOf(lines, many).length) < LEAST_ROWS)
    return { kind: 'nothing' };
  const beside = few.filter((at) => many.some((other) => isLevel(lines[at]!, lines[other]!)));
  if (beside.length < BESIDE * few.length || !strays.every((at) => isBetween(lines, at, left, right)))
    return { kind: 'nothing' };
  const prose = [left, right].filter((side) => isProse(lines, side)).length;
  const rows =
    rowsOfCells(lines, left, right, strays, blocksOf) ??
    // Paragraphs have more white between them than lines, too.
    (prose === 0 ? rowsOfCells(lines, left, right, strays, closeBlocksOf) : undefined);
  if (rows) return { kind: 'table', rows };
  if (prose < 2 && partners(lines, few, many) >= TABLE && !isIndex(lines, left, right))
    return { kind: 'nothing' };
  return { kind: 'columns' };
}

/** The lines of each side that stand no higher and no lower than the other does; the side that has fewer first. */
function besideEachOther(lines: readonly Placed[], left: number[], right: number[]): [number[], number[]] {
  const within = (some: number[], others: number[]) => {
    const [top, bottom] = [topOf(lines, others), bottomOf(lines, others)];
    return some.filter((at) => middle(lines[at]!) > top && middle(lines[at]!) < bottom);
  };
  const sides = [within(left, right), within(right, left)] as [number[], number[]];
  return sides[0].length <= sides[1].length ? sides : [sides[1], sides[0]];
}

function isLevel(a: Placed, b: Placed): boolean {
  return Math.abs(middle(a) - middle(b)) < NEAR * Math.max(height(a), height(b));
}

/** Whether both sides go on above and below a line: what stands over the end of one of them belongs to neither. */
function isBetween(lines: readonly Placed[], stray: number, left: number[], right: number[]): boolean {
  const { top, bottom } = lines[stray]!.bounds;
  return [left, right].every((side) => topOf(lines, side) < top && bottomOf(lines, side) > bottom);
}

/** Share of the shorter side's lines that are level with one of the other side. */
function partners(lines: readonly Placed[], few: number[], many: number[]): number {
  const sorted = many.map((at) => lines[at]!).sort((a, b) => middle(a) - middle(b));
  let next = 0;
  const level = few
    .map((at) => lines[at]!)
    .sort((a, b) => middle(a) - middle(b))
    .filter((a) => {
      while (next < sorted.length && middle(sorted[next]!) < middle(a)) next++;
      return [sorted[next - 1], sorted[next]].some((b) => b && isStrictlyLevel(a, b));
    });
  return level.length / few.length;
}

/** Type of two sizes is level where it stands on one line. */
function isStrictlyLevel(a: Placed, b: Placed): boolean {
  const apart = Math.min(Math.abs(middle(a) - middle(b)), Math.abs(baseline(a) - baseline(b)));
  return apart < STRICTLY_LEVEL * Math.min(height(a), height(b));
}

export function isProse(lines: readonly Placed[], members: number[]): boolean {
  const texts = members.map((at) => lines[at]!.text);
  const longest = Math.max(...texts.map(({ length }) => length));
  const full = texts.filter((text) => text.length > 0.75 * longest && wordsIn(text) >= PROSE_WORDS);
  const rows = rowsOf(lines, members);
  return (
    longest >= PROSE_CHARACTERS &&
    full.length >= PROSE_SHARE * members.length &&
    rows.filter((row) => row.length === 1).length >= ROWS_OF_ONE * rows.length
  );
}

/** Names joined by signs are one; scripts without spaces have a word a character. */
function wordsIn(text: string): number {
  return (
    text.match(/[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]*\p{L}{2}\S*/gu)?.length ?? 0
  );
}

/** Entries in the order of the alphabet that go on in the next column. */
function isIndex(lines: readonly Placed[], left: number[], right: number[]): boolean {
  const [some, others] = [entriesOf(lines, left), entriesOf(lines, right)];
  if (Math.min(some.length, others.length) < LEAST_ENTRIES) return false;
  return [some, others, [...some, ...others]].every((all) => ascending(all) >= SORTED * all.length);
}

/** What begins with a letter where most lines of a side begin, each once; its letters alone. */
function entriesOf(lines: readonly Placed[], members: number[]): string[] {
  const near = 0.5 * typical(lines, members);
  const begins = (at: number) => lines[at]!.bounds.left;
  const beginning = (left: number) => members.filter((at) => Math.abs(begins(at) - left) <= near);
  const most = members.map((at) => beginning(begins(at))).reduce((a, b) => (b.length > a.length ? b : a), []);
  const entries = most
    .filter((at) => /^\p{L}/u.test(lines[at]!.text))
    .sort((a, b) => middle(lines[a]!) - middle(lines[b]!))
    .map((at) => lines[at]!.text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, ''));
  return [...new Set(entries)];
}

/** How many stand in ascending order when the fewest are left out. */
function ascending(entries: readonly string[]): number {
  /** The least entry with which a run of each length ends. */
  const ends: string[] = [];
  for (const entry of entries) {
    const at = ends.findIndex((end) => end >= entry);
    ends[at < 0 ? ends.length : at] = entry;
  }
  return ends.length;
}

/**
 * Rows of a table whose cells are blocks of lines: white parts them from top to bottom, and in most of them a block on
 * the one side belongs to one on the other. Undefined where that is not so, or where all cells are single lines.
 */
function rowsOfCells(
  lines: readonly Placed[],
  left: number[],
  right: number[],
  strays: number[],
  blocksIn: (lines: readonly Placed[], members: number[]) => number[][],
): number[][] | undefined {
  const sides = [blocksIn(lines, left), blocksIn(lines, right)] as const;
  const rows: { members: number[]; blocks: number[][][]; bottom: number }[] = [];
  const all = [
    ...sides.flatMap((blocks, side) => blocks.map((members) => ({ side, members }))),
    ...strays.map((at) => ({ side: 2, members: [at] })),
  ].sort((a, b) => topOf(lines, a.members) - topOf(lines, b.members));
  for (const { side, members } of all) {
    if (rows.length === 0 || topOf(lines, members) + inset(lines, members) >= rows.at(-1)!.bottom)
      rows.push({ members: [], blocks: [[], [], []], bottom: -Infinity });
    const row = rows.at(-1)!;
    row.members.push(...members);
    row.blocks[side]!.push(members);
    row.bottom = Math.max(row.bottom, bottomOf(lines, members) - inset(lines, members));
  }
  const shared = rows.filter(({ blocks }) => blocks[0]!.length > 0 && blocks[1]!.length > 0);
  const cells = shared.flatMap(({ blocks: [some, others] }) =>
    some!.length === 1 && others!.length === 1 && isAligned(lines, some![0]!, others![0]!)
      ? [{ left: some![0]!, right: others![0]! }]
      : [],
  );
  const edges = (row: { left: number[]; right: number[] }) => [
    leftOf(lines, row.left),
    leftOf(lines, row.right),
  ];
  const alike = cells.map((row) =>
    cells.filter((other) => isNear(edges(row), edges(other), inset(lines, row.left))),
  );
  const paired = alike.reduce((a, b) => (b.length > a.length ? b : a), []);
  if (paired.length < (shared.length < LEAST_ROWS ? 2 : LEAST_ROWS) || paired.length < TABLE * shared.length)
    return undefined;
  // Rows without white between them look like lines of cells: a table whose cells have several has others, too.
  const wraps = paired.some(({ left: some, right: others }) => !areLevel(lines, some, others));
  if (!wraps) return undefined;
  return rows.flatMap(({ members, blocks }) => {
    const [some, others] = [blocks[0]!.flat(), blocks[1]!.flat()];
    const single = Math.min(some.length, others.length) >= LEAST_ROWS && areLevel(lines, some, others);
    return single ? rowsOf(lines, members) : [members];
  });
}

function isNear(some: number[], others: number[], far: number): boolean {
  return some.every((value, at) => Math.abs(value - others[at]!) <= 2 * far);
}

/** Most lines have a partner in the other cell. */
function areLevel(lines: readonly Placed[], some: number[], others: number[]): boolean {
  return Math.min(partners(lines, some, others), partners(lines, others, some)) >= TABLE;
}

function inset(lines: readonly Placed[], members: number[]): number {
  return 0.25 * typical(lines, members);
}

/** Lines with less white between them than so many heights of a line, by default more than lines of a text have. */
export function blocksOf(lines: readonly Placed[], members: number[], white = BLOCK_GAP): number[][] {
  const blocks: number[][] = [];
  const most = white * typical(lines, members);
  let bottom = -Infinity;
  for (const member of fromTop(lines, members)) {
    if (lines[member]!.bounds.top - bottom > most) blocks.push([]);
    blocks.at(-1)!.push(member);
    bottom = Math.max(bottom, lines[member]!.bounds.bottom);
  }
  return blocks;
}

/** Lines with about as little white between them as most. */
function closeBlocksOf(lines: readonly Placed[], members: number[]): number[][] {
  const gaps: number[] = [];
  let bottom: number | undefined;
  for (const member of fromTop(lines, members)) {
    const bounds = lines[member]!.bounds;
    if (bottom !== undefined) gaps.push(bounds.top - bottom);
    bottom = Math.max(bottom ?? -Infinity, bounds.bottom);
  }
  const least = gaps.sort((a, b) => a - b)[gaps.length >> 2] ?? 0;
  return blocksOf(lines, members, Math.min(BLOCK_GAP, least / typical(lines, members) + CELL_GAP));
}

function fromTop(lines: readonly Placed[], members: number[]): number[] {
  return [...members].sort((a, b) => lines[a]!.bounds.top - lines[b]!.bounds.top);
}

/** Cells of one row: they begin on one level, or one lies at the middle of the other. */
function isAligned(lines: readonly Placed[], some: number[], others: number[]): boolean {
  const [a, b] = [some, others].map((side) => ({ top: topOf(lines, side), bottom: bottomOf(lines, side) }));
  const near = BLOCK_LEVEL * Math.min(typical(lines, some), typical(lines, others));
  return Math.abs(a!.top - b!.top) < near || Math.abs(a!.top + a!.bottom - b!.top - b!.bottom) / 2 < near;
}
