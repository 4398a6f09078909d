// How people name an element, as our own models were trained to be asked: its text between straight quotation marks.
import type { HandedLine } from './conversations.js';
import { quoted } from './quoted.js';

const OTHER_MARKS = /“([^”]+)”|‘([^’]+)’|`([^`]+)`|(?<!\w)'([^']+)'(?!\w)/g;
/** Other words for what an element is. */
const ALSO: Record<string, string[]> = {
  field: ['input', 'box', 'text field', 'input field', 'text box'],
  checkbox: ['box', 'check box'],
  radio: ['radio button', 'option'],
  switch: ['toggle'],
  item: ['entry', 'option'],
  row: ['line'],
};
const LETTERS = /[\p{L}\p{Nd}]{2}/u;

/** The question with the texts of read elements quoted that it names: in other marks, beside what they are, or in several words. */
export function namesQuoted(question: string, lines: readonly HandedLine[]): string {
  const marked = question.replace(OTHER_MARKS, (all, ...[a, b, c, d]: string[]) => {
    const text = (a ?? b ?? c ?? d)!;
    return lines.some((line) => alike(line.text, text)) ? quoted(text) : all;
  });
  if (marked.includes('"')) return marked;
  const found = lines
    .flatMap((line) => placeOf(line, marked) ?? [])
    .reduce<Place | undefined>(
      (longest, place) => (place.to - place.from > length(longest) ? place : longest),
      undefined,
    );
  return found ? marked.slice(0, found.from) + quoted(found.name) + marked.slice(found.to) : marked;
}

interface Place {
  from: number;
  to: number;
  name: string;
}

/** Where the question names the line. */
function placeOf({ text, mark }: HandedLine, question: string): Place | undefined {
  const name = text.replace(/[\s:*]+$/, '');
  if (!mark || mark.role === 'plain' || !LETTERS.test(name)) return undefined;
  const said = question.toLowerCase();
  for (
    let from = said.indexOf(name.toLowerCase());
    from >= 0;
    from = said.indexOf(name.toLowerCase(), from + 1)
  ) {
    const to = from + name.length;
    if (isWhole(question, from, to) && (/\s/.test(name) || isCalled(mark.role, said, from, to)))
      return { from, to, name };
  }
  return undefined;
}

/** No part of a longer word. */
function isWhole(question: string, from: number, to: number): boolean {
  return !/[\p{L}\p{Nd}]$/u.test(question.slice(0, from)) && !/^[\p{L}\p{Nd}]/u.test(question.slice(to));
}

/** "the Email field", "the field Email". */
function isCalled(role: string, said: string, from: number, to: number): boolean {
  return [role, ...(ALSO[role] ?? [])].some(
    (word) => said.slice(0, from).endsWith(`${word} `) || new RegExp(`^ ${word}\\b`).test(said.slice(to)),
  );
}

function alike(a: string, b: string): boolean {
  const bare = (text: string): string => text.replace(/[\s:*]+/g, '').toLowerCase();
  return bare(a) === bare(b);
}

function length(place: Place | undefined): number {
  return place ? place.to - place.from : 0;
}
