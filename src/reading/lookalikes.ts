// Characters that the recogniser confuses and that their ink, or the word around them, tells apart.
import type { Glyph } from './glyphs.js';
import { SAME_SHAPE, sizesOf, type LineMetrics } from './line-metrics.js';

/** A reading as probable as this stands, whatever its height. */
const CERTAIN = 0.98;
/** How far from the middle between small and capital letters a height must be, in shares of the difference. */
const SURELY_CAPITAL = 0.12;
const SURELY_SMALL = -0.3;
/** The same where the word's own letters tell its size: type of another size stands in many lines. */
const IN_WORD = 0.3;
/** Letters of one word that tell its size. */
const TELLING = 2;

/** Full-width punctuation of East Asian type, where the letters around it are not. */
const NARROW: Readonly<Record<string, string>> = {
  '，': ',',
  '：': ':',
  '；': ';',
  '（': '(',
  '）': ')',
  '！': '!',
  '？': '?',
  '．': '.',
  '＝': '=',
  '＋': '+',
  '－': '-',
  '／': '/',
  '＊': '*',
  '＜': '<',
  '＞': '>',
  '＿': '_',
  '“': '"',
  '”': '"',
  '‘': "'",
  '’': "'",
  '《': '«',
  '》': '»',
};

const EAST_ASIAN = /[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/;

export function tellApart(glyphs: readonly Glyph[], metrics: LineMetrics): Glyph[] {
  const eastAsian = glyphs.some(({ text }) => EAST_ASIAN.test(text));
  return glyphs.map((glyph, at) => {
    const narrow = eastAsian ? undefined : NARROW[glyph.text];
    const text =
      narrow ??
      zero(glyphs, at) ??
      capitalI(glyphs, at) ??
      casedInWord(glyphs, at, metrics) ??
      cased(glyphs, at, metrics) ??
      glyph.text;
    return text === glyph.text ? glyph : { ...glyph, text };
  });
}

/** The letters and digits that stand together with one of them. */
function wordAround(glyphs: readonly Glyph[], at: number): string {
  const inside = (glyph: Glyph | undefined) => glyph !== undefined && /^[\p{L}\p{N}]$/u.test(glyph.text);
  let [start, end] = [at, at + 1];
  while (inside(glyphs[start - 1]) && !glyphs[start]!.spaced) start--;
  while (inside(glyphs[end]) && !glyphs[end]!.spaced) end++;
  return glyphs
    .slice(start, end)
    .map(({ text }) => text)
    .join('');
}

/** A zero in a word of capital letters alone is an O, an O in a number a zero. */
function zero(glyphs: readonly Glyph[], at: number): string | undefined {
  const { text } = glyphs[at]!;
  if (text !== '0' && text !== 'O' && text !== 'o') return undefined;
  const word = wordAround(glyphs, at);
  if (text === '0') return /^[A-Z0]*[A-Z]{2}[A-Z0]*$|^[A-Z]0[A-Z][A-Z0]*$/.test(word) ? 'O' : undefined;
  return /^\d+[Oo]+\d*[A-Za-z]?$|^[Oo]\d{2,}$/.test(word) ? '0' : undefined;
}

/** A small l in a word of capital letters alone is an I. */
function capitalI(glyphs: readonly Glyph[], at: number): string | undefined {
  if (glyphs[at]!.text !== 'l') return undefined;
  return /^[A-Z]{2,}l[A-Z]*$|^[A-Z]l[A-Z]+$/.test(wordAround(glyphs, at)) ? 'I' : undefined;
}

/** Capital or small, by the letters of its word whose height is known, however sure the recogniser is. */
function casedInWord(glyphs: readonly Glyph[], at: number, { baseline }: LineMetrics): string | undefined {
  const { text, top, parted } = glyphs[at]!;
  if (!SAME_SHAPE.test(text) || !parted || glyphs[at + 1]?.parted === false) return undefined;
  let [start, end] = [at, at + 1];
  while (start > 0 && !glyphs[start]!.spaced) start--;
  while (end < glyphs.length && !glyphs[end]!.spaced) end++;
  // Letters that touch share their ink.
  const apart = glyphs
    .slice(start, end)
    .filter((glyph, of) => glyph.parted && glyphs[start + of + 1]?.parted !== false);
  const { capital, low, telling } = sizesOf(apart, baseline);
  if (capital === undefined || low === undefined || telling < TELLING) return undefined;
  const height = (baseline - top - low) / (capital - low) - 0.5;
  if (height > IN_WORD) return text.toUpperCase();
  return height < -IN_WORD ? text.toLowerCase() : undefined;
}

/** Capital or small, by the height of its ink: a first letter, and one among capitals or small ones that is not. */
function cased(
  glyphs: readonly Glyph[],
  at: number,
  { baseline, capital, low }: LineMetrics,
): string | undefined {
  const { text, top, spaced, parted, probability } = glyphs[at]!;
  const next = glyphs[at + 1];
  const free = parted && (next?.parted ?? true);
  if (!SAME_SHAPE.test(text) || glyphs.length < 3 || !free || probability > CERTAIN) return undefined;
  const height = (baseline - top - low) / (capital - low) - 0.5;
  const before = at === 0 || spaced ? '' : glyphs[at - 1]!.text;
  const after = next && !next.spaced ? next.text : '';
  const begins = !/[\p{L}\p{N}]/u.test(before);
  const amongCapitals = /\p{Lu}/u.test(before + after) && !/\p{Ll}/u.test(before + after);
  if (height > SURELY_CAPITAL && (begins || amongCapitals)) return text.toUpperCase();
  const afterSmall = /\p{Ll}/u.test(before);
  return height < SURELY_SMALL && (begins || afterSmall) ? text.toLowerCase() : undefined;
}
