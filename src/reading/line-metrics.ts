// The size of a line's type, from the ink of letters whose proportions are alike in most fonts.
import type { Glyph } from './glyphs.js';

export interface LineMetrics {
  /** Font size in pixels of the line. */
  em: number;
  /** Row on which letters stand. */
  baseline: number;
}

const TALL = /^[A-Z0-9bdfhkl]$/;
const LOW = /^[acemnorsuvwxz]$/;
const STANDING = /^[A-PR-Z0-9abcdefhiklmnorstuvwxz]$/;

/** Heights of capitals and digits, and of x, in ems; means over the common fonts of screens. */
const CAPITAL = 0.72;
const X_HEIGHT = 0.535;
/** Rows of a level box in ems: the detector's boxes are about so much higher than the type. */
const BOX = 1.45;

export function measureLine(glyphs: readonly Glyph[], height: number): LineMetrics {
  const standing = glyphs.filter(({ text }) => STANDING.test(text));
  if (standing.length === 0) {
    const em = height / BOX;
    return { em, baseline: height / 2 + em * 0.36 };
  }
  const baseline = median(standing.map(({ bottom }) => bottom));
  const sizes = glyphs.flatMap(({ text, top }) => {
    const share = TALL.test(text) ? CAPITAL : LOW.test(text) ? X_HEIGHT : undefined;
    return share ? [(baseline - top) / share] : [];
  });
  return { em: sizes.length > 0 ? Math.max(4, median(sizes)) : height / BOX, baseline };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
