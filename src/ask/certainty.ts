// What an unsure model says is left out: a statement is a line of an answer, and it is as sure as the least probable of
// the tokens that decide it. Quoted text is copied, so of a quotation only its beginning decides.
import type { TokenCertainty } from '../engine/engine.js';

/** Below it the bundled model's statements are wrong more often than right: `npm run eval:starter`. */
export const LEAST_PROBABILITY = 0.5;

export const UNSURE = 'I am not sure.';

/** @param certainty Of every token of `text`. @returns `text` without the unsure lines; UNSURE where none is left. */
export function sureLines(text: string, certainty: readonly TokenCertainty[]): string {
  const unsure = unsureLines(text, certainty);
  const lines = text.split('\n');
  const left = lines.filter((_, line) => !unsure.has(line));
  return left.length > 0 || text === '' ? left.join('\n') : UNSURE;
}

function unsureLines(text: string, certainty: readonly TokenCertainty[]): Set<number> {
  const unsure = new Set<number>();
  let [at, line, quoted] = [0, 0, false];
  for (const { end, probability } of certainty) {
    const begun = quoted && text[at - 1] !== '"';
    if (!begun && probability < LEAST_PROBABILITY) unsure.add(line);
    for (; at < end; at++) {
      if (text[at] === '"') quoted = !quoted;
      if (text[at] === '\n') [line, quoted] = [line + 1, false];
    }
  }
  return unsure;
}
