// What a description names among the lines that were read: their text, narrowed by what the element classifier says that
// each line is and which colour it has.
import type { Region } from '../image/region.js';
import { wordsOf, type Elements, type Mark } from '../reading/elements.js';
import { findText, type Match } from '../reading/find.js';
import { regionOf } from '../reading/quad.js';
import type { Reading } from '../reading/reading.js';
import type { Described } from './described.js';

export interface FoundText {
  text: string;
  /** In pixels of the reading's picture. */
  box: Region;
  /** What it is, where that was asked for. */
  mark?: Mark;
}

/** What was found, or the text of that name that is something else. */
export interface Found {
  places: FoundText[];
  otherwise?: FoundText;
}

const MOST_FOUND = 20;
/** A wrong letter in four makes another word: a place that is clicked must be read better than one that is listed. */
const LEAST_SCORE = 0.85;
/** Spellings that are worse than the best one by more are other words. */
const NEAR_BEST = 0.1;

/** @param elements What the lines are; undefined where nobody can say. */
export function foundText(reading: Reading, wanted: Described, elements?: Elements): Found {
  const all = wanted.text === undefined ? everyLine(reading, wanted, elements) : hits(reading, wanted.text);
  const seen = all.map((hit) => ({ hit, mark: elements?.marks[hit.line] }));
  const asked = wanted.roles.length > 0 || wanted.colour !== undefined;
  const toPlace = ({ hit, mark }: (typeof seen)[number]): FoundText => ({
    text: hit.text,
    box: regionOf(hit.bounds, reading),
    ...(asked && mark && { mark }),
  });
  const fitting = narrowed(seen, wanted);
  const other = seen.find((one) => !fitting.includes(one));
  return {
    places: fitting.slice(0, MOST_FOUND).map(toPlace),
    ...(fitting.length === 0 && other && { otherwise: toPlace(other) }),
  };
}

/** Whole lines before words in a line, then in reading order; letters inside a word are another word's. */
function hits(reading: Reading, text: string): Match[] {
  const known = findText(reading, text, 1000).filter(
    ({ score, covers }) => score >= LEAST_SCORE && covers !== 'letters',
  );
  const best = Math.max(...known.map(({ score }) => score));
  const near = known.filter(({ score }) => score >= best - NEAR_BEST);
  return near.sort(
    (a, b) => Number(b.covers === 'lines') - Number(a.covers === 'lines') || b.score - a.score,
  );
}

/** Where no text was named, the lines that are what was named. */
function everyLine({ lines }: Reading, { roles }: Described, elements?: Elements): Match[] {
  if (!elements) return [];
  return lines.flatMap(({ text, box }, line) => {
    const { role } = elements.marks[line]!;
    if (roles.length > 0 ? !roles.includes(role) : role !== 'button') return [];
    const bounds = { left: box.x, top: box.y, right: box.x + box.width, bottom: box.y + box.height };
    return [{ text, score: 1, bounds, line, covers: 'lines' as const }];
  });
}

/**
 * A whole line may be something else than its name says, for the classifier errs; words of a line may not. A colour that was
 * measured and is another one is not what was meant; only buttons have one.
 */
function narrowed<T extends { hit: Match; mark?: Mark }>(seen: T[], { text, roles, colour }: Described): T[] {
  const ofRole = seen.filter(({ mark }) => mark && roles.includes(mark.role));
  const lines = seen.filter(({ hit }) => roles.length === 0 || hit.covers === 'lines');
  if (seen.every(({ mark }) => !mark)) return lines;
  const fitting = ofRole.length > 0 ? ofRole : lines;
  if (colour === undefined) return fitting;
  const ofColour = fitting.filter(({ mark }) => mark?.colour === colour);
  if (ofColour.length > 0 || text === undefined) return ofColour;
  const unmeasured = fitting.filter(({ mark }) => mark?.colour === undefined);
  return ofRole.length > 0 || roles.length === 0 ? unmeasured : [];
}

/** "button, blue", as answers say it. */
export function whatItIs({ mark }: FoundText): string | undefined {
  return mark && mark.role !== 'plain' ? wordsOf(mark) : undefined;
}
