// Entries of a side bar that are longer than it is wide run into the text beside it, or over it, and leave no white
// between the two. Where lines of the one begin on one edge, and lines from before that edge stand beside them, the
// longer ones are taken as if they ended before it.
import { height, middle, typical, type Placed } from './placed.js';

/** Lines begin on one edge when they are nearer than this, in heights of a line; so many of them make it one. */
const EDGE = 0.5;
const LEAST_LINES = 3;
/** What belongs to an edge is indented by at most so much, in heights of a line. */
const INDENTED = 4;
/** Lines stand beside each other when they share this much of the lower one's height; lines of a text share none. */
const BESIDE = 0.3;
/** Cells of a table stand on one level to this much of a line's height; entries of a side bar by chance alone. */
const LEVEL = 0.15;
/** White that is left before the edge, in heights of a line. */
const GUTTER = 1;
/** Entries follow each other with less white than this between them, in heights of a line. */
const CLOSE = 0.5;
/** So many entries have to run into the text. */
const LEAST_OVERRUNS = 2;

const NONE = { edge: 0, over: new Set<Placed>() };

/** The lines as they would stand were no entry of a side bar longer than it is wide. */
export function withoutOverruns(lines: readonly Placed[]): readonly Placed[] {
  if (lines.length === 0) return lines;
  const line = typical(
    lines,
    lines.map((_, at) => at),
  );
  const found = edgesOf(lines, EDGE * line).map((edge) => ({ edge, over: overrunsOf(lines, edge, line) }));
  const { edge, over } = found.reduce((a, b) => (b.over.size > a.over.size ? b : a), found[0] ?? NONE);
  if (over.size < LEAST_OVERRUNS) return lines;
  const end = edge - GUTTER * line;
  const entries = lines.filter(({ bounds }) => bounds.left < end);
  return lines.map((one) => {
    if (over.has(one)) return { ...one, bounds: { ...one.bounds, right: end } };
    const { left, right } = one.bounds;
    return left < end && right > end && isAmong(one, entries, over, line) ? inOne(one, end, edge) : one;
  });
}

/** Where several lines begin, from left to right; the least of what is near. */
function edgesOf(lines: readonly Placed[], near: number): number[] {
  const begins = lines.map(({ bounds }) => bounds.left).sort((a, b) => a - b);
  const edges = begins.filter((left, at) => {
    const last = begins[at + LEAST_LINES - 1];
    return last !== undefined && last - left <= near;
  });
  return [...new Set(edges)];
}

/** Lines from before an edge that leave no gutter before it, with a line beside them that begins there. */
function overrunsOf(lines: readonly Placed[], edge: number, line: number): Set<Placed> {
  const beyond = lines.filter(({ bounds }) => bounds.left >= edge && bounds.left <= edge + INDENTED * line);
  const end = edge - GUTTER * line;
  const over = lines.filter((one) => {
    const { left, right } = one.bounds;
    if (left >= end || right <= end) return false;
    return beyond.some((other) => isBeside(other, one) && (right > edge || !isLevel(other, one, line)));
  });
  return new Set(over);
}

function isLevel(a: Placed, b: Placed, line: number): boolean {
  return Math.abs(middle(a) - middle(b)) < LEVEL * line;
}

function isBeside(a: Placed, b: Placed): boolean {
  const shared = Math.min(a.bounds.bottom, b.bounds.bottom) - Math.max(a.bounds.top, b.bounds.top);
  return shared > BESIDE * Math.min(height(a), height(b));
}

/** An entry that nothing stands beside, or with the text beside it taken for one line: among the others, or close to them. */
function isAmong(one: Placed, entries: readonly Placed[], over: ReadonlySet<Placed>, line: number): boolean {
  const { top, bottom } = one.bounds;
  const near = (other: Placed, white: number) => over.has(other) || white < CLOSE * line;
  const above = entries.some((other) => other.bounds.top < top && near(other, top - other.bounds.bottom));
  const below = entries.some(
    (other) => other.bounds.bottom > bottom && near(other, other.bounds.top - bottom),
  );
  return above && below;
}

/** On the side of the edge where more of it stands. */
function inOne(one: Placed, end: number, edge: number): Placed {
  const { left, right } = one.bounds;
  const bounds = right - edge > edge - left ? { ...one.bounds, left: edge } : { ...one.bounds, right: end };
  return { ...one, bounds };
}
