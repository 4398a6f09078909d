// Characters with the places of their ink. The recogniser says in which order and roughly where characters stand; the
// ink-free columns between them say where one ends and the next begins, to the pixel.
import type { Ink } from '../engine/text-lines.js';
import { LINE_HEIGHT, STEP_COLUMNS } from '../models/readers/networks.js';
import type { ReadCharacter } from './characters.js';
import { columnInk, INK, rowInk, textRows } from './ink.js';

/** A character that is no space; pixels of the line, [left, right) and [top, bottom). */
export interface Glyph {
  text: string;
  probability: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
  /** There is a space in front of it; at first as the recogniser wrote it. */
  spaced: boolean;
  /** Where the recogniser was sure of that space: from the middle of the character before to this one's, in pixels. */
  sure?: number;
  /** Ink-free columns part it from the character before. */
  parted: boolean;
}

/** Ink-free columns [start, end). */
type Gap = readonly [start: number, end: number];

/** Costs of laying characters over ink, in heights of the line. */
const UNUSED_GAP = 1.5;
const TOUCHING = 0.12;
const SPACE_WITHOUT_GAP = 2;
/** Ink so far beside the characters, in heights of the line, belongs to none of them. */
const BESIDE = 0.15;
/** A dot is at most so high, in heights of the line. */
const DOT = 0.2;
/** Probability of a space that the recogniser is sure of. */
const SURE = 0.9;
/** A space that the recogniser wrote is about so wide. */
const SPACE = 0.15;

export function placeGlyphs(characters: readonly ReadCharacter[], ink: Ink): Glyph[] {
  const scale = (STEP_COLUMNS * ink.height) / LINE_HEIGHT;
  const solid = characters.flatMap(({ text, probability, start, end }, at) =>
    text === ' '
      ? []
      : [
          {
            text,
            probability,
            middle: ((start + end) / 2) * scale,
            spaced: characters[at - 1]?.text === ' ',
            sure: (characters[at - 1]?.probability ?? 0) >= SURE,
          },
        ],
  );
  if (solid.length === 0) return [];
  const [top, bottom] = textRows(ink);
  const columns = columnInk(ink, top, bottom);
  const [first, last] = extent(columns, solid[0]!.middle, solid.at(-1)!.middle, ink.height);
  const gaps = gapsOf(columns, first, last);
  const between = solid.slice(1).map(({ middle, spaced }, at) => ({
    from: solid[at]!.middle,
    to: middle,
    spaced,
  }));
  const parts = layOver(between, gaps, ink.height);
  const glyphs = solid.map(({ text, probability, spaced, sure, middle }, at): Glyph => {
    const left = parts[at - 1]?.[1] ?? first;
    const right = Math.max(left + 1, parts[at]?.[0] ?? last);
    const before = parts[at - 1];
    const rows = inkRows(ink, left, right, top, bottom);
    return {
      text,
      probability,
      left,
      right,
      ...rows,
      spaced,
      ...(spaced && sure && at > 0 && { sure: middle - solid[at - 1]!.middle }),
      parted: !before || before[1] > before[0],
    };
  });
  return glyphs.flatMap((glyph) => (isLow(glyph, ink.height) ? eachDot(glyph, columns) : [glyph]));
}

/** Nothing but dots: no part of a letter is among the ink. */
function isLow({ text, top, bottom }: Glyph, height: number): boolean {
  return text === '.' && bottom - top <= DOT * height;
}

/** The recogniser writes fewer dots than stand side by side; their ink tells how many there are. */
function eachDot(glyph: Glyph, columns: Uint8Array): Glyph[] {
  const gaps = gapsOf(columns, glyph.left, glyph.right);
  const starts = [glyph.left, ...gaps.map(([, end]) => end)];
  const ends = [...gaps.map(([start]) => start), glyph.right];
  return starts.map((left, at) => ({
    ...glyph,
    left,
    right: ends[at]!,
    spaced: at === 0 && glyph.spaced,
    parted: true,
  }));
}

/** Columns from the first character's ink to the last one's: not what stands beside them and was not read, such as boxes. */
function extent(columns: Uint8Array, from: number, to: number, height: number): [number, number] {
  const first = columns.findIndex((value) => value >= INK);
  const last = columns.findLastIndex((value) => value >= INK) + 1;
  const wide = gapsOf(columns, first, last).filter((gap) => width(gap) >= BESIDE * height);
  const before = wide.filter(([, end]) => end <= from).at(-1);
  const after = wide.find(([start]) => start >= to);
  return [before?.[1] ?? Math.max(0, first), after?.[0] ?? last];
}

function gapsOf(columns: Uint8Array, first: number, last: number): Gap[] {
  const gaps: Gap[] = [];
  for (let x = Math.max(0, first); x < last; x++) {
    if (columns[x]! >= INK) continue;
    const start = x;
    while (x < last && columns[x]! < INK) x++;
    gaps.push([start, x]);
  }
  return gaps;
}

interface Between {
  from: number;
  to: number;
  spaced: boolean;
}

/**
 * For each pair of neighbours the gap between them, in order, or an empty one where they touch: the assignment of least
 * cost, where a gap costs its distance from the pair's middle, and a wide gap that parts nobody costs its width.
 */
function layOver(pairs: readonly Between[], gaps: readonly Gap[], height: number): Gap[] {
  const columns = gaps.length + 1;
  const cost = new Float64Array((pairs.length + 1) * columns).fill(Infinity);
  /** 0: gap unused, 1: pair touching, 2: pair takes gap. */
  const step = new Uint8Array(cost.length);
  cost[0] = 0;
  for (let p = 0; p <= pairs.length; p++) {
    for (let g = 0; g < columns; g++) {
      const here = p * columns + g;
      const options = [
        g > 0 ? cost[here - 1]! + (UNUSED_GAP * width(gaps[g - 1]!)) / height : Infinity,
        p > 0
          ? cost[here - columns]! + TOUCHING + (pairs[p - 1]!.spaced ? SPACE_WITHOUT_GAP * SPACE : 0)
          : Infinity,
        p > 0 && g > 0 ? cost[here - columns - 1]! + distance(pairs[p - 1]!, gaps[g - 1]!, height) : Infinity,
      ];
      if (p === 0 && g === 0) continue;
      const best = options.indexOf(Math.min(...options));
      cost[here] = options[best]!;
      step[here] = best;
    }
  }
  return traceBack(pairs, gaps, step);
}

function traceBack(pairs: readonly Between[], gaps: readonly Gap[], step: Uint8Array): Gap[] {
  const taken: Gap[] = new Array<Gap>(pairs.length);
  let [p, g] = [pairs.length, gaps.length];
  let right = Infinity;
  while (p > 0 || g > 0) {
    const how = step[p * (gaps.length + 1) + g]!;
    if (how === 2) right = (taken[--p] = gaps[--g]!)[0];
    else if (how === 0) g--;
    else {
      const { from, to } = pairs[--p]!;
      const cut = Math.round(Math.min((from + to) / 2, right - 1));
      taken[p] = [cut, cut];
    }
  }
  return taken;
}

function width([start, end]: Gap): number {
  return end - start;
}

function distance({ from, to, spaced }: Between, gap: Gap, height: number): number {
  const middle = (gap[0] + gap[1]) / 2;
  const outside = Math.max(0, from - middle, middle - to);
  const away = Math.abs(middle - (from + to) / 2) * 0.3 + outside;
  const narrow = spaced ? Math.max(0, SPACE - width(gap) / height) * SPACE_WITHOUT_GAP : 0;
  return away / height + narrow;
}

function inkRows(
  ink: Ink,
  left: number,
  right: number,
  top: number,
  bottom: number,
): { top: number; bottom: number } {
  const rows = rowInk(ink, left, right);
  let [first, last] = [top, bottom];
  while (first < last - 1 && rows[first] === 0) first++;
  while (last > first + 1 && rows[last - 1] === 0) last--;
  return { top: first, bottom: last };
}
