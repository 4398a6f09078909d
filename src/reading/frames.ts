// Lines drawn under and around text, which are no ink of it: underlines, and the sides of fields and of a table's cells.
import type { RgbImage } from '../image/rgb-image.js';
import { inkOf, type Ink } from './ink.js';

/** Rules are thin and soft: what is fainter parts them. */
const FAINT = 40;
/** A stretch of ink in one row that is longer than this many heights of the line underlines it, or frames it. */
const RULE = 1.25;
/** A column of ink through so much of the height is the side of a frame: brackets and bars are lower than the cut. */
const SIDE = 0.94;
/** The same of one that runs from rule to rule. */
const SIDE_OF_RULES = 0.65;
/** How far from a side its rules may begin: corners are round, and some frames are double. */
const CORNER = 3;

export interface Side {
  /** Columns [left, right) of the line. */
  left: number;
  right: number;
  /** Rules run on to both sides of it: what it parts are cells of a table. */
  parts: boolean;
}

/** The ink of a line's text, and the sides of frames that were in it. */
export function textInk(line: RgbImage): { ink: Ink; sides: Side[] } {
  const ink = inkOf(line);
  const rules = takeRules(ink);
  return { ink, sides: takeSides(ink, rules) };
}

/** Clears rules from the ink. @returns where they were, in the ink's pixels */
function takeRules({ width, height, contrast }: Ink): Uint8Array {
  const rules = new Uint8Array(contrast.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const start = x;
      while (x < width && contrast[y * width + x]! >= FAINT) x++;
      if (x - start <= RULE * height && x - start < width) continue;
      contrast.fill(0, y * width + start, y * width + x);
      rules.fill(1, y * width + start, y * width + x);
    }
  }
  return rules;
}

function takeSides(ink: Ink, rules: Uint8Array): Side[] {
  const { width, height, contrast } = ink;
  const sides: Side[] = [];
  for (let x = 0; x < width; x++) {
    if (!isSide(ink, rules, x)) continue;
    for (let y = 0; y < height; y++) contrast[y * width + x] = 0;
    const last = sides.at(-1);
    if (last && x - last.right <= CORNER) last.right = x + 1;
    else sides.push({ left: x, right: x + 1, parts: false });
  }
  const isRuled = (from: number, to: number) =>
    Array.from({ length: height }, (_, y) => y).some((y) =>
      rules.subarray(y * width + Math.max(0, from), y * width + Math.min(width, to)).includes(1),
    );
  return sides.map(({ left, right }) => ({
    left,
    right,
    parts: isRuled(left - CORNER, left) && isRuled(right, right + CORNER),
  }));
}

function isSide({ width, height, contrast }: Ink, rules: Uint8Array, x: number): boolean {
  const isInk = (y: number) => contrast[y * width + x]! >= FAINT;
  let [rows, longest, top] = [0, 0, 0];
  for (let y = 0, start = 0; y < height; y++) {
    if (!isInk(y)) {
      start = y + 1;
      continue;
    }
    rows++;
    if (y + 1 - start > longest) [longest, top] = [y + 1 - start, start];
  }
  if (rows >= SIDE * height) return true;
  const meetsRule = (y: number) =>
    y < 0 ||
    y >= height ||
    rules
      .subarray(y * width + Math.max(0, x - CORNER), y * width + Math.min(width, x + CORNER + 1))
      .includes(1);
  return longest >= SIDE_OF_RULES * height && meetsRule(top - 1) && meetsRule(top + longest);
}
