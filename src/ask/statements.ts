// Statements about read lines, `role "text": "value", states`. What a quoted line is, is for the element classifier to say,
// which knows better than a small model; whether a screen is dark, for its pixels. What is important and was left out of a
// full description is added.
import type { HandedLine, HandedOn } from './conversations.js';
import { establishedAnswer } from './facts.js';
import { fieldValues } from './field-values.js';
import { quoted } from './quoted.js';
import { Quotable } from './quotes.js';
import { tableRows, type TableRow } from './table-rows.js';

const STATEMENT = /^([a-z ]+) "([^"]*)"(?:: "([^"]*)")?((?:, [a-z ]+)*)$/;
/** How a description begins. */
const OPENING = /^A (?:dark|light) (.+?)( titled "[^"]*")?( with [^"]*)?\.$/;
/** Lines that are no element of their own. */
const NO_ELEMENT = ['plain', 'value'];
/** What a full description does not leave out, the more important first; a text or a message may fill any number of lines. */
const ADDED = [
  ['error', 'heading', 'button', 'field', 'checkbox', 'switch', 'radio', 'tab'],
  ['link', 'header', 'row', 'item', 'menu item', 'line'],
];
/** By so many logits a role must be likelier than the others where the model said nothing of the line. */
const LEAST_LEAD = 1;
/** What has no word is a mark or a picture that was taken for a sign. */
const NAMED = /[\p{L}\p{Nd}]{2}/u;
/** Their lines are each on their own; elsewhere one text may fill several. */
const LINE_BY_LINE = ['terminal', 'log', 'error trace', 'code editor'];

/** Read lines of the pictures of a conversation, and what was said of them. */
export class Statements {
  readonly #lines: readonly HandedLine[];
  readonly #quotable: Quotable;
  readonly #values: Map<number, number>;
  readonly #screen: HandedOn['screen'];
  readonly #question: string;
  readonly #said = new Set<string>();
  readonly #rows: Map<number, TableRow>;
  /** Of each statement its first line, and how many it is about. */
  readonly #about = new Map<string, { at: number; count: number }>();

  constructor(readings: readonly HandedOn[], question = '') {
    this.#question = question;
    this.#lines = readings.flatMap(({ lines }) => lines);
    this.#quotable = new Quotable(this.#lines);
    // Places in different pictures cannot be compared, nor do several have one look.
    this.#values = readings.length === 1 ? fieldValues(this.#lines) : new Map<number, number>();
    this.#rows = readings.length === 1 ? tableRows(this.#lines) : new Map<number, TableRow>();
    this.#screen = readings.length === 1 ? readings[0]!.screen : undefined;
  }

  /**
   * @param sure What the model is sure of in `line`.
   * @returns what remains of it: undefined where it quotes what was not read or says again what was said.
   */
  settle(sure: string | undefined, line: string): string | undefined {
    const known = this.#opened(sure, line) ?? this.#established(line);
    if (known !== undefined) return known;
    if (sure === undefined || !this.#quotable.allRead(sure)) return undefined;
    const settled = this.#marked(sure);
    if (settled === undefined || (settled.includes('"') && this.#said.has(settled))) return undefined;
    this.#said.add(settled);
    return settled;
  }

  /**
   * A description in full: where lines are in none of its statements, theirs stand between the others.
   * @param room Characters that may be added.
   */
  completed(statements: readonly string[], room: number): string[] {
    const placed = statements.map((text) => ({ text, at: -1, count: 0, ...this.#about.get(text) }));
    const covered = new Set(placed.flatMap(({ at, count }) => range(at, count)));
    let left = room;
    for (const roles of ADDED)
      for (const more of this.#sure(roles)) {
        const lines = range(more.at, more.count);
        if (lines.some((line) => covered.has(line)) || placed.some(({ text }) => text === more.text))
          continue;
        left -= more.text.length + 1;
        if (left < 0) return placed.map(({ text }) => text);
        for (const line of lines) covered.add(line);
        const after = placed.findIndex(({ at }) => at > more.at);
        placed.splice(after < 0 ? placed.length : after, 0, more);
      }
    return placed.map(({ text }) => text);
  }

  /** The first sentence of a description, with what pixels and classifier establish. */
  #opened(sure: string | undefined, line: string): string | undefined {
    const [, named, title = ''] = OPENING.exec(line) ?? [];
    const screen = this.#screen;
    if (named === undefined || !screen) return undefined;
    const kept = sure?.includes(title) && this.#quotable.allRead(title) ? title : '';
    const counted = screen.counts.slice(0, 2).join(' and ');
    const look = screen.dark ? 'dark' : 'light';
    return `A ${look} ${screen.kind ?? named}${kept}${counted && ` with ${counted}`}.`;
  }

  #established(line: string): string | undefined {
    if (!this.#screen) return undefined;
    return establishedAnswer(this.#question, line, {
      ...this.#screen,
      lines: this.#lines,
      values: this.#values,
    });
  }

  /** The statement with the role and the states that the classifier gives its line; undefined where that is no element. */
  #marked(statement: string): string | undefined {
    const [, , text, value] = STATEMENT.exec(statement) ?? [];
    const at = text === undefined ? undefined : this.#quotable.lineOf(text.split(' | ')[0]!);
    const mark = at === undefined ? undefined : this.#lines[at]!.mark;
    if (at === undefined || mark === undefined) return statement;
    if (NO_ELEMENT.includes(mark.role) && !this.#rows.has(at)) return undefined;
    return this.#worded({ at, count: this.#quotable.span(text!.replaceAll(' | ', ''), at) }, text!, value);
  }

  #worded(about: { at: number; count: number }, text: string, said?: string): string {
    const row = this.#rows.get(about.at);
    if (row) return this.#wordedRow(row);
    const { role, states } = this.#lines[about.at]!.mark!;
    const value = role === 'field' ? this.#valueOf(about.at, said) : undefined;
    const held = value === undefined ? '' : `: ${quoted(value)}`;
    const worded = [`${role} ${quoted(text)}${held}`, ...states].join(', ');
    this.#about.set(worded, about);
    return worded;
  }

  /** All cells of the row, whichever of them the model quotes. */
  #wordedRow({ first, count, role, selected }: TableRow): string {
    const cells = this.#lines.slice(first, first + count).map(({ text }) => text);
    const worded = `${role} ${quoted(cells.join(' | '))}${selected ? ', selected' : ''}`;
    this.#about.set(worded, { at: first, count });
    return worded;
  }

  /** What stands in a field, or what the model says where that is the content of one. */
  #valueOf(at: number, said: string | undefined): string | undefined {
    const value = this.#values.get(at);
    if (value !== undefined) return this.#lines[value]!.text;
    const found = said === undefined ? undefined : this.#quotable.lineOf(said);
    const taken = found === undefined || [...this.#values.values()].includes(found);
    return !taken && this.#lines[found]!.mark?.role === 'value' ? said : undefined;
  }

  /** Statements about the lines of these roles of which the classifier is sure, in reading order. */
  *#sure(roles: readonly string[]): Generator<{ text: string; at: number; count: number }> {
    for (let at = 0, count = 1; at < this.#lines.length; at += count) {
      const row = this.#rows.get(at);
      count = row?.count ?? this.#wrapped(at);
      const { mark } = this.#lines[at]!;
      const whole = this.#lines.slice(at, at + count).map(({ text }) => text);
      if (!mark || !roles.includes(row?.role ?? mark.role) || !NAMED.test(whole.join(' '))) continue;
      if (!row && mark.lead < LEAST_LEAD) continue;
      yield { text: this.#worded({ at, count }, whole.join(' ')), at, count };
    }
  }

  /** How many lines the text has that begins with this one: of the same role, one closely below the other. */
  #wrapped(first: number): number {
    const apart = LINE_BY_LINE.includes(this.#screen?.kind ?? '');
    let next = first + 1;
    while (!apart && next < this.#lines.length && follows(this.#lines[next - 1]!, this.#lines[next]!)) next++;
    return next - first;
  }
}

function follows({ box: above, mark }: HandedLine, { box: below, mark: other }: HandedLine): boolean {
  if (mark?.role !== other?.role || !['error', 'heading'].includes(mark?.role ?? '')) return false;
  const gap = below.y - (above.y + above.height);
  const alike = Math.abs(above.height - below.height) <= 0.2 * above.height;
  return alike && Math.abs(above.x - below.x) <= above.height && gap < 0.6 * above.height;
}

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}
