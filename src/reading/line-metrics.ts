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
  const heights = (kind: RegExp) =>
    glyphs.filter(({ text }) => kind.test(text)).map(({ top }) => Math.max(1, baseline - top));
  const tall = [...heights(CAPITALS), ...heights(ASCENDING).map((of) => of / ASCENDER)];
  const low = heights(LOW);
  const capital = tall.length > 0 ? median(tall) : undefined;
  const x = low.length > 0 ? median(low) : undefined;
  const sizes = [...tall.map((of) => of / CAPITAL), ...low.map((of) => of / X_HEIGHT)];
  if (sizes.length > 0) return { ...sized(Math.max(4, median(sizes)), baseline), ...shares(capital, x) };
  // Nothing but letters of two sizes: as they were read.
  const read = standing.map(({ text, top }) => (baseline - top) / (/[a-z]/.test(text) ? X_HEIGHT : CAPITAL));
  return sized(Math.max(4, median(read)), baseline);
}

function sized(em: number, baseline: number): LineMetrics {
  return { em, baseline, capital: em * CAPITAL, low: em * X_HEIGHT };
}

function shares(capital: number | undefined, low: number | undefined): Partial<LineMetrics> {
  const ratio = X_HEIGHT / CAPITAL;
  if (capital !== undefined) return { capital, low: low ?? capital * ratio };
  return low === undefined ? {} : { capital: low / ratio, low };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
