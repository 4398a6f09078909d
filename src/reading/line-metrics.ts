// The size of a line's type, from the ink of letters whose proportions are alike in most fonts.
import type { Glyph } from './glyphs.js';

export interface LineMetrics {
  /** Font size in pixels of the line. */
  em: number;
  /** Row on which letters stand. */
  baseline: number;
  /** Heights of capitals and of x, in pixels. */
  capital: number;
  low: number;
}

const CAPITALS = /^[ABD-NPRTY0-9]$/;
const ASCENDING = /^[bdfhkl]$/;
const LOW = /^[aemnr]$/;
/** Capital and small look the same, only one is higher. */
export const SAME_SHAPE = /^[cosuvwxz]$/i;
const STANDING = /^[A-PR-Z0-9abcdefhiklmnorstuvwxz]$/;

/** Heights of capitals and digits, and of x, in ems; means over the common fonts of screens. */
const CAPITAL = 0.72;
const X_HEIGHT = 0.535;
/** Ascenders over capitals. */
const ASCENDER = 1.06;
/** Rows of a level box in ems: the detector's boxes are about so much higher than the type. */
const BOX = 1.45;

export function measureLine(glyphs: readonly Glyph[], height: number): LineMetrics {
  const standing = glyphs.filter(({ text }) => STANDING.test(text));
  if (standing.length === 0) return sized(height / BOX, height / 2 + (height / BOX) * 0.36);
  const baseline = median(standing.map(({ bottom }) => bottom));
  const { tall, low } = heightsOf(glyphs, baseline);
  const sizes = [...tall.map((of) => of / CAPITAL), ...low.map((of) => of / X_HEIGHT)];
  if (sizes.length > 0) return { ...sized(Math.max(4, median(sizes)), baseline), ...shares(tall, low) };
  // Nothing but letters of two sizes: as they were read.
  const read = standing.map(({ text, top }) => (baseline - top) / (/[a-z]/.test(text) ? X_HEIGHT : CAPITAL));
  return sized(Math.max(4, median(read)), baseline);
}

function sized(em: number, baseline: number): LineMetrics {
  return { em, baseline, capital: em * CAPITAL, low: em * X_HEIGHT };
}

/** Heights of letters that tell the size: as capitals, and as x. */
function heightsOf(glyphs: readonly Glyph[], baseline: number): { tall: number[]; low: number[] } {
  const heights = (kind: RegExp) =>
    glyphs.filter(({ text }) => kind.test(text)).map(({ top }) => Math.max(1, baseline - top));
  return {
    tall: [...heights(CAPITALS), ...heights(ASCENDING).map((of) => of / ASCENDER)],
    low: heights(LOW),
  };
}

function shares(tall: number[], low: number[]): Partial<Pick<LineMetrics, 'capital' | 'low'>> {
  const ratio = X_HEIGHT / CAPITAL;
  if (tall.length > 0)
    return { capital: median(tall), low: low.length > 0 ? median(low) : median(tall) * ratio };
  return low.length === 0 ? {} : { capital: median(low) / ratio, low: median(low) };
}

/** Heights of capitals and of x in some letters of a line, and how many of them tell it. */
export function sizesOf(
  glyphs: readonly Glyph[],
  baseline: number,
): Partial<Pick<LineMetrics, 'capital' | 'low'>> & { telling: number } {
  const { tall, low } = heightsOf(glyphs, baseline);
  return { ...shares(tall, low), telling: tall.length + low.length };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
