// What models write when asked for boxes → lines in pixels of the original. Small models write almost-JSON and long
// answers are cut off, so every entry is read on its own, and what cannot be read is counted, never thrown.
import { toOriginal, wholeImage, type Box, type BoxScale, type Region, type Size } from '../image/region.js';

export interface TextLine extends Region {
  text: string;
}

export interface ParsedLines {
  lines: TextLine[];
  /** Entries (or lines of an answer that holds none) from which no text with a box could be read. */
  unparsed: number;
  /** The last entry is not closed: the answer was cut off there. */
  truncated: boolean;
}

/** An entry without its braces' content being judged: offsets [start, end) into the answer. */
interface Entry {
  start: number;
  end: number;
  closed: boolean;
}

/** An entry longer than this is something else that begins with a brace. */
const MAX_ENTRY = 4096;

const BOX_KEY = /["']?(?:bbox_2d|bbox|box_2d|box)["']?\s*:\s*\[([^\][{}]*)\]/;
const TEXT_KEY =
  /["']?(?:text_content|text|content|label)["']?\s*:\s*("(?:[^"\\]|\\[^])*"|'(?:[^'\\]|\\[^])*')/;

/**
 * @param viewed Size in which the model saw the image. @param original Size of the image file.
 * @param shown The part of the original that the model saw, when it was a crop.
 */
export function parseLines(
  answer: string,
  {
    boxes,
    viewed,
    original,
    shown,
  }: { boxes: { scale: BoxScale }; viewed: Size; original: Size; shown?: Region },
): ParsedLines {
  const entries = findEntries(answer);
  if (entries.length === 0) return { lines: [], unparsed: proseLines(answer), truncated: false };
  const lines: TextLine[] = [];
  let unparsed = 0;
  for (const { start, end } of entries) {
    const read = readEntry(answer.slice(start, end));
    const region = read && toOriginal(read.box, boxes.scale, viewed, shown ?? wholeImage(original));
    if (region) lines.push({ text: read.text, ...region });
    else unparsed++;
  }
  return { lines, unparsed, truncated: !entries.at(-1)!.closed };
}

/** Innermost braces, in order. */
function findEntries(answer: string): Entry[] {
  const entries: Entry[] = [];
  for (let at = answer.indexOf('{'); at >= 0;) {
    const entry = entryFrom(answer, at);
    if (entry.end > entry.start) entries.push(entry);
    at = answer.indexOf('{', Math.max(entry.end, at + 1));
  }
  return entries;
}

/** From a brace to its match; an inner brace begins a new entry and makes the outer one none (end = start). */
function entryFrom(answer: string, start: number): Entry {
  let quote = '';
  const limit = Math.min(answer.length, start + MAX_ENTRY);
  for (let at = start + 1; at < limit; at++) {
    const character = answer[at]!;
    if (quote !== '') {
      if (character === '\\') at++;
      else if (character === quote) quote = '';
    } else if (character === '"' || (character === "'" && /[\s:,{[]/.test(answer[at - 1]!)))
      quote = character;
    else if (character === '}') return { start, end: at + 1, closed: true };
    else if (character === '{') return { start, end: start, closed: false };
  }
  return unclosed(answer, start, limit);
}

/** A quote that never ends must not swallow the entries after it: the next one that begins like a box takes over. */
function unclosed(answer: string, start: number, limit: number): Entry {
  const next = answer.slice(start + 1, limit).search(/\{\s*["']?(?:bbox|box|text|label)/);
  if (next >= 0) return { start, end: start + 1 + next, closed: true };
  return { start, end: limit, closed: limit < answer.length };
}

function readEntry(entry: string): { box: Box; text: string } | undefined {
  const box = BOX_KEY.exec(entry)?.[1]
    ?.split(',')
    .map((part) => (part.trim() === '' ? NaN : Number(part)));
  const quoted = TEXT_KEY.exec(entry)?.[1];
  if (!box || box.length !== 4 || !box.every(Number.isFinite) || quoted === undefined) return undefined;
  return { box: box as unknown as Box, text: unquote(quoted) };
}

const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

/** JSON's escapes; an unknown one stands for its character, as in `C:\Users`. */
function unquote(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replace(/\\(?:u([0-9a-fA-F]{4})|([^]))/g, (whole, hex?: string, character?: string) => {
      if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
      if (/["'\\/]/.test(character!)) return character!;
      return ESCAPES[character!] ?? whole;
    });
}

/** Lines of an answer that is no list of boxes at all; fences and an empty list do not count. */
function proseLines(answer: string): number {
  return answer.split('\n').filter((line) => line.trim() !== '' && !/^\s*(```\w*|\[\s*\]?|\])\s*$/.test(line))
    .length;
}
