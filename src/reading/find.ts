// Where some text stands: spelling forgiven, best match first. Case, spaces and the recogniser's usual confusions cost
// nothing; a wrong, missing or added character costs one of a quarter of the text's length.
import { boundsOf, type Bounds } from './quad.js';
import { partOf, type Reading } from './reading.js';

export interface Match {
  /** As it was read. */
  text: string;
  /** 1: every character equal, case and spaces aside. */
  score: number;
  bounds: Bounds;
  /** The line that it begins in. */
  line: number;
  /** Lines from end to end, words of them, or letters inside a word. */
  covers: 'lines' | 'words' | 'letters';
}

/** Share of wrong characters up to which text counts as the one that was looked for. */
const MOST_WRONG = 0.25;
/** Two spellings of one letter: a quarter of an error, so that the exact one comes first. */
const ALIKE_COST = 0.25;

interface Letter {
  text: string;
  line: number;
  character: number;
}

/** @returns at most `most` matches, best first, then in reading order */
export function findText(reading: Reading, wanted: string, most = 20): Match[] {
  const pattern = [...folded(wanted)];
  if (pattern.length === 0) return [];
  const found = reading.rows.flatMap((row) => matchesIn(reading, lettersOf(reading, row), pattern));
  return found
    .map((match, order) => ({ match, order }))
    .sort((a, b) => b.match.score - a.match.score || a.order - b.order)
    .slice(0, most)
    .map(({ match }) => match);
}

function folded(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/gu, '');
}

/** The letters of a row of lines: text that was looked for may go on in the line beside. */
function lettersOf({ lines }: Reading, row: number[]): Letter[] {
  return row.flatMap((line) =>
    lines[line]!.characters.flatMap(({ text }, character) =>
      [...folded(text)].map((letter) => ({ text: letter, line, character })),
    ),
  );
}

/**
 * Approximate occurrences that do not overlap, best first.
 * Sellers, "The theory and computation of evolutionary distances: pattern recognition", 1980.
 */
function matchesIn(reading: Reading, letters: Letter[], pattern: string[]): Match[] {
  const limit = Math.floor(pattern.length * MOST_WRONG) + 2 * ALIKE_COST;
  const ends = endsOf(letters, pattern).filter(({ cost }) => cost <= limit);
  const matches: Match[] = [];
  const taken = new Set<number>();
  for (const { start, end, cost } of ends.sort((a, b) => a.cost - b.cost || a.start - b.start)) {
    const span = Array.from({ length: end - start }, (_, at) => start + at);
    if (span.length === 0 || span.some((at) => taken.has(at))) continue;
    span.forEach((at) => taken.add(at));
    matches.push(toMatch(reading, letters.slice(start, end), 1 - cost / pattern.length));
  }
  return matches.sort((a, b) => a.bounds.left - b.bounds.left);
}

interface End {
  start: number;
  /** One past the last letter. */
  end: number;
  cost: number;
}

function endsOf(letters: Letter[], pattern: string[]): End[] {
  let costs = pattern.map((_, at) => at + 1);
  let starts = pattern.map(() => 0);
  return letters.map(({ text }, at) => {
    const nextCosts: number[] = [];
    const nextStarts: number[] = [];
    pattern.forEach((wanted, row) => {
      const [diagonal, from] = row === 0 ? [0, at] : [costs[row - 1]!, starts[row - 1]!];
      const [above, aboveFrom] = row === 0 ? [0, at + 1] : [nextCosts[row - 1]!, nextStarts[row - 1]!];
      const ways: [cost: number, start: number][] = [
        [diagonal + difference(text, wanted), from],
        [costs[row]! + 1, starts[row]!],
        [above + 1, aboveFrom],
      ];
      const [cost, start] = ways.reduce((best, way) => (way[0] < best[0] ? way : best));
      nextCosts.push(cost);
      nextStarts.push(start);
    });
    [costs, starts] = [nextCosts, nextStarts];
    return { start: starts.at(-1)!, end: at + 1, cost: costs.at(-1)! };
  });
}

const ALIKE = ['0oq', '1il|!', '5s', '8b', '2z', `'’‘\`"“”`, '-–—_', '.,', ':;', '•·'];

function difference(a: string, b: string): number {
  if (a === b) return 0;
  return ALIKE.some((group) => group.includes(a) && group.includes(b)) ? ALIKE_COST : 1;
}

function toMatch(reading: Reading, letters: Letter[], score: number): Match {
  const lines = [...new Set(letters.map(({ line }) => line))];
  const parts = lines.map((line) => {
    const own = letters.filter((letter) => letter.line === line).map(({ character }) => character);
    return { line: reading.lines[line]!, first: own[0]!, last: own.at(-1)! };
  });
  const corners = parts.map(({ line, first, last }) =>
    partOf(line, line.characters[first]!.from, line.characters[last]!.to),
  );
  return {
    text: parts.map(({ line, first, last }) => spelled(line, first, last)).join(' '),
    score: Math.round(score * 1000) / 1000,
    line: lines[0]!,
    covers: covered(parts),
    bounds: boundsOf(
      corners.flatMap(({ left, top, right, bottom }) => [
        { x: left, y: top },
        { x: right, y: bottom },
      ]),
    ),
  };
}

interface Part {
  line: Reading['lines'][number];
  /** Of its characters. */
  first: number;
  last: number;
}

/** What of the lines the parts take up; a letter that goes on in the same word is one inside it. */
function covered(parts: readonly Part[]): Match['covers'] {
  const [head, tail] = [parts[0]!, parts.at(-1)!];
  const inside = (line: Part['line'], before: number): boolean => {
    const [a, b] = [line.characters[before], line.characters[before + 1]];
    if (!a || !b || ![a, b].every(({ text }) => LETTER.test(text))) return false;
    return spelled(line, before, before + 1) === a.text + b.text;
  };
  if (inside(head.line, head.first - 1) || inside(tail.line, tail.last)) return 'letters';
  return head.first === 0 && tail.last === tail.line.characters.length - 1 ? 'lines' : 'words';
}

/** Of scripts that part their words by spaces. */
const LETTER = /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{N}]/u;

/** The text of a line from one character to another, with its spaces. */
function spelled({ text, characters }: Reading['lines'][number], first: number, last: number): string {
  let at = 0;
  let start = 0;
  characters.slice(0, last + 1).forEach(({ text: one }, index) => {
    while (text[at] === ' ') at++;
    if (index === first) start = at;
    at += one.length;
  });
  return text.slice(start, at);
}
