// Signs that the recogniser often leaves out or takes for letters, and that the ink shows: underscores, which stand below
// the line, and brackets that stand deeper than any letter of their width.
import type { Ink } from '../engine/text-lines.js';
import type { Glyph } from './glyphs.js';
import { INK } from './ink.js';
import type { LineMetrics } from './line-metrics.js';

/** Least length of an underscore, in ems. */
const UNDERSCORE = 0.3;
/** Share of its columns that have ink below the line. */
const COVERED = 0.8;
const HAS_OWN = /^[_,;…‚„]$/;
/** What brackets are taken for. */
const ROUND = /^[O0oQ]$/;
/** A bracket reaches so far below the line, and is so high, in ems; one alone is at most so wide. */
const DEEP = 0.1;
const HIGH = 0.88;
const ONE_BRACKET = 0.42;

export function withLostSigns(glyphs: readonly Glyph[], ink: Ink, metrics: LineMetrics): Glyph[] {
  return settled(glyphs, ink, metrics)
    .flatMap((glyph) => (HAS_OWN.test(glyph.text) ? [glyph] : withUnderscores(glyph, ink, metrics)))
    .flatMap((glyph) => brackets(glyph, ink, metrics));
}

/** Underscores that were read but whose ink, apart from the line's, nobody was given: they are brought to where it is. */
function settled(glyphs: readonly Glyph[], ink: Ink, { em, baseline }: LineMetrics): Glyph[] {
  const isLost = ({ text, left, right }: Glyph) => text === '_' && right - left < UNDERSCORE * em;
  const placed = [...glyphs];
  for (let at = 0; at < placed.length; at++) {
    let end = at;
    while (end < placed.length && isLost(placed[end]!)) end++;
    if (end === at) continue;
    const from = placed[at - 1]?.right ?? placed[at]!.left;
    const to = placed[end]?.left ?? ink.width;
    const [left, right] = inkBelow(ink, from, to, em, baseline);
    const wide = (right - left) / (end - at);
    if (wide >= UNDERSCORE * em)
      for (let one = at; one < end; one++) {
        const start = Math.round(left + (one - at) * wide);
        const stop = Math.round(left + (one - at + 1) * wide);
        placed[one] = { ...placed[one]!, left: start, right: stop, top: baseline, parted: true };
      }
    at = end;
  }
  return placed;
}

/** From the first to the last column between two that has ink below the line. */
function inkBelow(ink: Ink, from: number, to: number, em: number, baseline: number): [number, number] {
  const below = (x: number) =>
    hasInk(ink, x, Math.floor(baseline), Math.min(ink.height, Math.ceil(baseline + 0.35 * em)));
  let [left, right] = [from, to];
  while (left < right && !below(left)) left++;
  while (right > left && !below(right - 1)) right--;
  return [left, right];
}

/** A glyph and the underscores beside it that it was given with its ink. */
function withUnderscores(glyph: Glyph, ink: Ink, { em, baseline }: LineMetrics): Glyph[] {
  const above = (x: number) => hasInk(ink, x, glyph.top, Math.floor(baseline + 0.02 * em));
  let [left, right] = [glyph.left, glyph.right];
  while (right > left && !above(right - 1)) right--;
  while (left < right && !above(left)) left++;
  if (left >= right) return [glyph];
  const before = isUnderscore(ink, glyph.left, left, em, baseline);
  const after = isUnderscore(ink, right, glyph.right, em, baseline);
  const sign = { ...glyph, text: '_', top: baseline, parted: true };
  return [
    ...(before ? [{ ...sign, right: left }] : []),
    {
      ...glyph,
      left: before ? left : glyph.left,
      right: after ? right : glyph.right,
      spaced: !before && glyph.spaced,
    },
    ...(after ? [{ ...sign, left: right, spaced: false }] : []),
  ];
}

function isUnderscore(ink: Ink, left: number, right: number, em: number, baseline: number): boolean {
  if (right - left < UNDERSCORE * em) return false;
  let covered = 0;
  for (let x = left; x < right; x++)
    if (hasInk(ink, x, Math.floor(baseline), Math.min(ink.height, Math.ceil(baseline + 0.35 * em))))
      covered++;
  return covered >= COVERED * (right - left);
}

function hasInk({ width, height, contrast }: Ink, x: number, top: number, bottom: number): boolean {
  for (let y = Math.max(0, top); y < Math.min(height, bottom); y++)
    if (contrast[y * width + x]! >= INK) return true;
  return false;
}

function brackets(glyph: Glyph, ink: Ink, { em, baseline }: LineMetrics): Glyph[] {
  const { text, left, right, top, bottom } = glyph;
  const deep = bottom - baseline >= DEEP * em && bottom - top >= HIGH * em;
  if (!deep) return [glyph];
  // No full stop is so high.
  if (text === '.') return [{ ...glyph, text: ')' }];
  if (!ROUND.test(text)) return [glyph];
  if (right - left <= ONE_BRACKET * em) return [{ ...glyph, text: '(' }];
  const middle = Math.round((left + right) / 2);
  if (hasInk(ink, middle, top, bottom)) return [glyph];
  return [
    { ...glyph, text: '(', right: middle },
    { ...glyph, text: ')', left: middle, spaced: false },
  ];
}
