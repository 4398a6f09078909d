// Answers about a quoted element, by their form: yes or no to a state, a colour, a place, a number, what a field holds. What
// the classifier and the reader establish of it is said instead of what a small model thinks, be it sure or not.
import type { Region, Size } from '../image/region.js';
import { plural } from '../prompt/layout.js';
import type { HandedLine } from './conversations.js';
import { quoted } from './quoted.js';

export interface Established {
  lines: readonly HandedLine[];
  /** The content of fields, by indices of lines. */
  values: ReadonlyMap<number, number>;
  dark: boolean;
  /** Of screen, where one is likely. */
  kind?: string;
  /** "2 buttons", most frequent first. */
  counts: readonly string[];
  size: Size;
}

const COLOUR = /^(blue|green|purple|red|orange|teal|gr[ae]y|none)\.?$/i;
const PLACE = /^(top|middle|bottom) (left|center|right)\.?$/;
const HELD = /^(It is empty\.|There is no such field\.|"[^"]*")$/;
const KIND =
  /^what (kind|type|sort) of (screen|screenshot|page|window|dialog|app|application|interface|picture|image)\b/;
/** Words of states, and whether they are the state or its opposite. */
const STATES: [word: RegExp, state: string, holds: boolean][] = [
  [/\b(unchecked|not checked|unticked)\b/i, 'checked', false],
  [/\b(checked|ticked)\b/i, 'checked', true],
  [/\benabled\b/i, 'disabled', false],
  [/\bdisabled\b/i, 'disabled', true],
  [/\b(selected|highlighted)\b/i, 'selected', true],
  [/\bfocused\b/i, 'focused', true],
  [/\boff\b/i, 'off', true],
  [/\bon\b/i, 'on', true],
];

/** The answer that is established; undefined where it is of no such form or asks for something else. */
export function establishedAnswer(question: string, answer: string, known: Established): string | undefined {
  const asked = question.replace(/"[^"]*"/g, '""').toLowerCase();
  const names = [...question.matchAll(/"([^"]+)"/g)].map(([, name]) => name!);
  if (names.length > 1) return undefined;
  if (KIND.test(asked) && /^(A|I|It) /.test(answer))
    return known.kind && `A ${known.dark ? 'dark' : 'light'} ${known.kind}.`;
  if (names.length === 0)
    return /^\d+\.?$/.test(answer) ? counted(asked, known) : chosen(asked, answer, known);
  const at = lineNamed(names[0]!, asked, known.lines);
  if (at === undefined) return undefined;
  const { mark, box } = known.lines[at]!;
  if (/^(Yes|No)\.?$/.test(answer)) return isThere(asked, mark) ? 'Yes.' : held(asked, mark);
  if (COLOUR.test(answer) && mark?.role === 'button') return mark.colour && `${mark.colour}.`;
  if (PLACE.test(answer) && mark?.role !== 'field') return `${placeWords(box, known.size)}.`;
  return HELD.test(answer) && /\b(in|contain|value|say)\b/.test(asked) ? content(at, known) : undefined;
}

/** Whether the question is only if there is such an element. */
function isThere(asked: string, mark: HandedLine['mark']): boolean {
  return (
    mark !== undefined &&
    new RegExp(`^(is|do you see) (there )?an? (${mark.role} ""|"" ${mark.role})\\?$`).test(asked)
  );
}

/** Yes or no to the state that the question names, where the element can have it. */
function held(asked: string, mark: HandedLine['mark']): string | undefined {
  const [, state, holds] = STATES.find(([word]) => word.test(asked)) ?? [];
  if (state === undefined || mark?.margins[state] === undefined || /\bthere\b/.test(asked)) return undefined;
  return mark.states.includes(state) === holds ? 'Yes.' : 'No.';
}

function counted(asked: string, { counts }: Established): string | undefined {
  const found = counts.map((said) => said.split(/ (.*)/) as [string, string]);
  return found.find(([number, role]) => asked.includes(number === '1' ? plural(role) : role))?.[0];
}

/** The one of a role that looks most selected. */
function chosen(asked: string, answer: string, { lines }: Established): string | undefined {
  if (!/\b(selected|highlighted)\b/.test(asked) || !(answer.startsWith('"') || answer.startsWith('I ')))
    return undefined;
  const named = lines.filter(({ mark }) => mark && new RegExp(`\\b${mark.role}\\b`).test(asked));
  // A menu's items are called so in full.
  const role = named.reduce(
    (longest, { mark }) => (mark!.role.length > longest.length ? mark!.role : longest),
    '',
  );
  const alike = named.filter(({ mark }) => mark!.role === role);
  const margin = ({ mark }: HandedLine) => mark!.margins['selected'] ?? -Infinity;
  if (alike.length === 0) return undefined;
  const best = alike.reduce((a, b) => (margin(b) > margin(a) ? b : a));
  const row = role === 'row' ? alike.filter(({ box }) => level(box, best.box)) : [best];
  return quoted(row.map(({ text }) => text).join(' | '));
}

/** What a field holds. */
function content(at: number, { lines, values }: Established): string | undefined {
  if (lines[at]!.mark?.role !== 'field') return undefined;
  const value = values.get(at);
  return value === undefined ? 'It is empty.' : quoted(lines[value]!.text);
}

/** The line of this text; of several the one that is what the question calls it. */
function lineNamed(name: string, asked: string, lines: readonly HandedLine[]): number | undefined {
  const bare = (text: string): string => text.replace(/[\s:]+/g, '').toLowerCase();
  const found = lines.flatMap(({ text }, i) => (bare(text) === bare(name) ? [i] : []));
  return found.find((i) => asked.includes(lines[i]!.mark?.role ?? '\n')) ?? found[0];
}

/** By thirds of the picture. */
function placeWords({ x, y, width, height }: Region, size: Size): string {
  const third = (at: number, side: number): number => Math.max(0, Math.min(2, Math.floor((3 * at) / side)));
  const row = ['top', 'middle', 'bottom'][third(y + height / 2, size.height)]!;
  return `${row} ${['left', 'center', 'right'][third(x + width / 2, size.width)]!}`;
}

function level(box: Region, other: Region): boolean {
  return Math.abs(box.y + box.height / 2 - (other.y + other.height / 2)) <= 0.5 * other.height;
}
