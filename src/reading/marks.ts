// What stands in a line and is no text: the box or ring of an option before its label, a bullet before an item. And rows
// of equal dots, which a password field shows and no recogniser can count.
import type { Ink } from '../engine/text-lines.js';
import type { Glyph } from './glyphs.js';
import { columnInk, INK, textRows } from './ink.js';
import type { LineMetrics } from './line-metrics.js';

const BULLET = /^[•·●○■▪◦∙]$/;
/** Signs that stand above the line by themselves. */
const FLOATING = /^[-–—=+*~"'‘’“”^°<>«»:]$/;
/** Least distance from the text, in ems. */
const MARK_GAP = 0.2;
/** Sides of an option's box or ring in ems, and how much they may differ. */
const MARK_SIDES = [0.62, 1.5] as const;
const SQUARE = 1.25;
/** Characters that are nothing like a square: where the ink is one, they were misread. */
const SLENDER = /^[Il1|!i[\](){}/\\.,:;'\-]$/;
const NOT_SLENDER = 0.55;
/** Signs of East Asian type are squares; alone before other letters they were misread. */
const SQUARE_SIGN = /[\u3000-\u30ff\u3400-\u9fff]/;

/** Without a mark at the beginning. */
export function withoutMark(
  glyphs: readonly Glyph[],
  { em, baseline }: Pick<LineMetrics, 'em' | 'baseline'>,
): Glyph[] {
  const [first, second] = glyphs;
  if (!first || !second) return [...glyphs];
  const gap = (second.left - first.right) / em;
  if (gap < MARK_GAP || (SQUARE_SIGN.test(first.text) && SQUARE_SIGN.test(second.text))) return [...glyphs];
  if (!isMark(first, em, baseline, gap)) return [...glyphs];
  return withoutMark(glyphs.slice(1), { em, baseline });
}

function isMark(
  { text, left, right, top, bottom }: Glyph,
  em: number,
  baseline: number,
  gap: number,
): boolean {
  const [wide, high] = [(right - left) / em, (bottom - top) / em];
  const square = Math.max(wide, high) / Math.min(wide, high) <= SQUARE;
  const large = Math.min(wide, high) >= MARK_SIDES[0] && Math.max(wide, high) <= MARK_SIDES[1];
  // A ring that is higher than a capital, or hangs below the line, is no letter.
  const outsize = high > 0.8 || bottom > baseline + 0.08 * em;
  // Of a box at the edge of the cut only a part may be there; a slender sign is never as wide.
  if (SLENDER.test(text) && wide >= NOT_SLENDER && high >= MARK_SIDES[0]) return true;
  if (square && large) return outsize || SLENDER.test(text) || SQUARE_SIGN.test(text);
  // Small, as wide as high, above the line and well apart: a bullet, whatever it was read as.
  const floats = baseline - bottom > 0.08 * em;
  const small = high >= 0.15 && high < 0.6;
  return BULLET.test(text) || (square && floats && small && gap > 0.3 && !FLOATING.test(text));
}

/** Where a line is nothing but three or more equal round dots: how many, and where the first and the last end. */
export function countDots(
  ink: Ink,
): { count: number; left: number; right: number; diameter: number } | undefined {
  const [top, bottom] = textRows(ink);
  const runs = inkRuns(columnInk(ink, top, bottom));
  const diameter = bottom - top;
  if (runs.length < 3 || diameter < 3) return undefined;
  const pitches = runs.slice(1).map(([start], at) => start - runs[at]![0]);
  const even = Math.max(...pitches) - Math.min(...pitches) <= 1.5;
  const round = runs.every(([start, end]) => Math.abs(end - start - diameter) <= Math.max(1, diameter * 0.2));
  // Leaders and ellipses are small dots far apart, letters stand close and are hollow.
  const apart = pitches[0]! >= 1.3 * diameter && pitches[0]! <= 2.5 * diameter;
  if (!even || !round || !apart || !isSolid(ink, runs, top, bottom)) return undefined;
  return { count: runs.length, left: runs[0]![0], right: runs.at(-1)![1], diameter };
}

function isSolid({ width, contrast }: Ink, runs: [number, number][], top: number, bottom: number): boolean {
  const middle = Math.floor((top + bottom) / 2);
  return runs.every(([start, end]) => contrast[middle * width + Math.floor((start + end) / 2)]! >= INK);
}

function inkRuns(columns: Uint8Array): [start: number, end: number][] {
  const runs: [number, number][] = [];
  for (let x = 0; x < columns.length; x++) {
    if (columns[x]! < INK) continue;
    const start = x;
    while (x < columns.length && columns[x]! >= INK) x++;
    runs.push([start, x]);
  }
  return runs;
}
