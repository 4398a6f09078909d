// The characters of one detected line → pieces of text with spaces where the ink has gaps, parted where a gap is wider
// than any space: entries of a navigation bar and cells of a table are lines of their own.
import type { Glyph } from './glyphs.js';
import { median, type LineMetrics } from './line-metrics.js';

export interface Piece {
  glyphs: Glyph[];
}

/** Gaps of ink in ems. A space that the recogniser wrote needs less of one than a space it did not write. */
const SPACE_WRITTEN = 0.14;
/** Middles so far apart have a space between them, where the recogniser is sure of one; in ems. */
const SURELY_SPACED = 0.8;
const WRITTEN_MORE = 0.05;
const SPACE_FOUND = 0.23;
const SPACE_PITCHED = 0.3;
/** More than the gaps inside words. */
const SPACE_MORE = 0.14;
/** For each neighbour that is narrower than the room it has. */
const BESIDE_THIN = 0.06;
const APART = 0.8;
/** Where a line is spread to the width of its column all its spaces are wide, and alike. */
const SPREAD = [0.6, 1.05] as const;
const ALIKE = 1.3;
const RUNNING_ON = /^[,;:+=&]$/;
const CONTINUING = /^[\p{Ll}+=&]$/u;
/** Shares of the pitch in type of one width: a space makes a step of two. */
const PITCH_ERROR = 0.09;
const LEAST_PITCHED = 6;

/** Characters whose width tells one kind of type from the other. */
const TELLING = /^[ijl1.,:;'|!mwMW@]$/;

/** Seldom have a space in front of them, and behind them. */
const CLOSING = /^[,;:.!?)\]}]$/;
const OPENING = /^[([]$/;

function isBracketed(before: Glyph, glyph: Glyph): boolean {
  return OPENING.test(before.text) || CLOSING.test(glyph.text);
}

const THIN = /^[1ijlrtfI.,:;'"`|!()[\]{}/\\-]$/;

export function toPieces(glyphs: readonly Glyph[], { em }: LineMetrics): Piece[] {
  const pitch = pitchOf(glyphs, em);
  const usual = usualGap(glyphs, em);
  const distances = glyphs
    .slice(1)
    .map((glyph, at) =>
      pitch ? pitched(glyphs[at]!, glyph, em, pitch) : proportional(glyphs[at]!, glyph, em, usual),
    );
  const spread = isSpread(glyphs, distances, em);
  const pieces: Piece[] = [];
  glyphs.forEach((glyph, at) => {
    const distance = distances[at - 1];
    if (at === 0 || (distance === 'apart' && !spread)) pieces.push({ glyphs: [{ ...glyph, spaced: false }] });
    else pieces.at(-1)!.glyphs.push({ ...glyph, spaced: distance !== 'none' });
  });
  return pieces;
}

/** Spaces of running text, as wide as entries of a navigation bar stand apart: but those begin large, without a comma. */
function isSpread(glyphs: readonly Glyph[], distances: readonly Distance[], em: number): boolean {
  const spaces = distances.flatMap((distance, at) => {
    const [before, glyph] = [glyphs[at]!, glyphs[at + 1]!];
    if (distance === 'none') return [];
    const runs = RUNNING_ON.test(before.text) || CONTINUING.test(glyph.text);
    return { gap: (glyph.left - before.right) / em, runs };
  });
  const gaps = spaces.map(({ gap }) => gap);
  const [least, most] = [Math.min(...gaps), Math.max(...gaps)];
  const running = spaces.filter(({ runs }) => runs).length;
  return (
    gaps.length >= 2 &&
    running >= gaps.length / 2 &&
    least >= SPREAD[0] &&
    most <= SPREAD[1] &&
    most <= ALIKE * least
  );
}

type Distance = 'none' | 'space' | 'apart';

function proportional(before: Glyph, glyph: Glyph, em: number, usual: number): Distance {
  const gap = (glyph.left - before.right) / em;
  if (gap >= APART) return 'apart';
  if (before.text === '.' && glyph.text === '.') return 'none';
  if (glyph.spaced) {
    const far = (glyph.sure ?? 0) >= SURELY_SPACED * em && !isBracketed(before, glyph);
    return far || gap >= Math.max(SPACE_WRITTEN, usual + WRITTEN_MORE) ? 'space' : 'none';
  }
  const thin = [before, glyph].filter(({ text }) => THIN.test(text)).length;
  const least = Math.max(SPACE_FOUND, usual + SPACE_MORE) + thin * BESIDE_THIN;
  return gap >= least ? 'space' : 'none';
}

/** Between the letters of a word, in ems. */
function usualGap(glyphs: readonly Glyph[], em: number): number {
  const gaps = glyphs.slice(1).flatMap(({ left, spaced }, at) => (spaced ? [] : [left - glyphs[at]!.right]));
  return gaps.length === 0 ? 0 : median(gaps) / em;
}

function pitched(before: Glyph, glyph: Glyph, em: number, pitch: number): Distance {
  const steps = (middle(glyph) - middle(before)) / pitch;
  if (steps >= 2.55 && (glyph.left - before.right) / em >= APART) return 'apart';
  // Other type may stand in the same line; a space that was written and is as wide as one counts there too.
  const clear = (glyph.left - before.right) / em >= SPACE_PITCHED && !isBracketed(before, glyph);
  const written = glyph.spaced && (steps >= 1.35 || clear);
  return written || steps >= 1.5 ? 'space' : 'none';
}

function middle({ left, right }: Glyph): number {
  return (left + right) / 2;
}

/** The width that all characters of a typewriter's type share; undefined for other type. */
export function pitchOf(glyphs: readonly Glyph[], em: number): number | undefined {
  const steps = glyphs.slice(1).map((glyph, at) => middle(glyph) - middle(glyphs[at]!));
  const single = steps.filter((step) => step > 0.45 * em && step < 0.8 * em);
  const telling = glyphs.filter(({ text }) => TELLING.test(text)).length;
  if (telling < 2 && glyphs.length < 14) return undefined;
  if (single.length < LEAST_PITCHED || single.length < steps.length * 0.5) return undefined;
  const first = median(single);
  // All steps together say it to a fraction of a pixel.
  const counted = steps.map((step) => Math.max(1, Math.round(step / first)));
  const pitch = steps.reduce((sum, step) => sum + step, 0) / counted.reduce((sum, count) => sum + count, 0);
  const error =
    steps.reduce((sum, step, at) => sum + Math.abs(step / pitch - counted[at]!), 0) / steps.length;
  return error <= PITCH_ERROR ? pitch : undefined;
}
