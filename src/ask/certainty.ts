// What an unsure model says is left out. A statement is a line of an answer; it is kept as far as its tokens are probable:
// up to the end of a quotation or a " with", or not at all. Quoted text is copied: of a quotation only its beginning decides.
import type { TokenCertainty } from '../engine/engine.js';

/** Measured with `npm run eval:starter`; models/starter/README.md says what it and a higher one cost. */
export const LEAST_PROBABILITY = 0.5;

export const UNSURE = 'I am not sure.';

/**
 * @param certainty Of every token of `text`.
 * @param settled What remains of a statement, of which it is told what is sure; absent: just that.
 * @returns `text`, line by line, without what is unsure or does not remain.
 */
export function sureLines(
  text: string,
  certainty: readonly TokenCertainty[],
  settled: (sure: string | undefined, line: string) => string | undefined = (sure) => sure,
): string[] {
  const kept: string[] = [];
  let start = 0;
  for (const line of text.split('\n')) {
    const sure = surePart(line, firstUnsure(text, start, start + line.length, certainty));
    const remains = settled(sure, line);
    if (remains !== undefined) kept.push(remains);
    start += line.length + 1;
  }
  return kept;
}

/** Where in the line the first improbable token begins that decides about it; Infinity where there is none. */
function firstUnsure(text: string, start: number, end: number, certainty: readonly TokenCertainty[]): number {
  let from = 0;
  for (const { end: to, probability } of certainty) {
    const at = Math.max(from, start);
    // The token that ends a line may be its line break.
    if (from <= end && to > start && probability < LEAST_PROBABILITY && decides(text.slice(start, at)))
      return at - start;
    from = to;
  }
  return Infinity;
}

/** Not inside a quotation, unless at its beginning. */
function decides(before: string): boolean {
  const quoted = before.split('"').length % 2 === 0;
  return !quoted || before.endsWith('"');
}

function surePart(line: string, unsure: number): string | undefined {
  if (unsure === Infinity) return line;
  const ends = [...line.matchAll(/"[^"]*"(?=[ ,:.]|$)|(?= with )/g)].map(
    (found) => found.index + found[0].length,
  );
  const last = ends.filter((end) => end <= unsure).at(-1);
  if (last === undefined) return undefined;
  return line.slice(0, last) + (line.endsWith('.') ? '.' : '');
}

/**
 * What of `sure` has not been shown. A line that a cut went through may have been shown further than it is kept now:
 * what was shown stays, and the answer goes on with the next line.
 */
export function unseen(sure: string, shown: string): string {
  if (sure.startsWith(shown)) return sure.slice(shown.length);
  const before = shown.split('\n');
  const last = before.pop()!;
  const rest = sure.split('\n').slice(before.length);
  if (rest[0] !== undefined && last.startsWith(rest[0])) rest.shift();
  return rest.map((line) => `\n${line}`).join('');
}
