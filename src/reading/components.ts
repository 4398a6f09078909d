// The connected parts of a detector's probability map, each with its outline as far as its convex hull needs it.
import type { Point } from './quad.js';

export interface Component {
  /** Ends of its pixels in each row, as corner points of pixels: a superset of the convex hull's corners. */
  outline: Point[];
  /** Mean probability of its pixels. */
  score: number;
  pixels: number;
}

/** A stretch of pixels of one row that are above the threshold. */
interface Run {
  y: number;
  /** [start, end) */
  start: number;
  end: number;
  sum: number;
  parent: number;
}

/**
 * Eight-connected components of the pixels above `threshold`.
 * @param map Probabilities, row-major.
 */
export function findComponents(
  map: Float32Array,
  width: number,
  height: number,
  threshold: number,
): Component[] {
  const runs: Run[] = [];
  let above = 0;
  for (let y = 0; y < height; y++) {
    const first = runs.length;
    addRuns(runs, map, y, width, threshold);
    joinRows(runs, above, first);
    above = first;
  }
  return gather(runs);
}

function addRuns(runs: Run[], map: Float32Array, y: number, width: number, threshold: number): void {
  const row = y * width;
  for (let x = 0; x < width; x++) {
    if (map[row + x]! <= threshold) continue;
    const start = x;
    let sum = 0;
    for (; x < width && map[row + x]! > threshold; x++) sum += map[row + x]!;
    runs.push({ y, start, end: x, sum, parent: runs.length });
  }
}

/** Joins the runs from `first` on with those of the row above, which begin at `above`. */
function joinRows(runs: Run[], above: number, first: number): void {
  let up = above;
  for (let at = first; at < runs.length; at++) {
    const run = runs[at]!;
    while (up < first && (runs[up]!.y < run.y - 1 || runs[up]!.end < run.start)) up++;
    for (let other = up; other < first && runs[other]!.start <= run.end; other++) unite(runs, at, other);
  }
}

function root(runs: Run[], at: number): number {
  while (runs[at]!.parent !== at) {
    runs[at]!.parent = runs[runs[at]!.parent]!.parent;
    at = runs[at]!.parent;
  }
  return at;
}

function unite(runs: Run[], a: number, b: number): void {
  const [first, second] = [root(runs, a), root(runs, b)];
  runs[Math.max(first, second)]!.parent = Math.min(first, second);
}

function gather(runs: Run[]): Component[] {
  const found = new Map<number, Component & { sum: number }>();
  runs.forEach(({ y, start, end, sum }, at) => {
    const key = root(runs, at);
    const component = found.get(key) ?? { outline: [], score: 0, pixels: 0, sum: 0 };
    found.set(key, component);
    component.outline.push({ x: start, y }, { x: end, y }, { x: start, y: y + 1 }, { x: end, y: y + 1 });
    component.sum += sum;
    component.pixels += end - start;
  });
  return [...found.values()].map(({ outline, pixels, sum }) => ({ outline, pixels, score: sum / pixels }));
}
