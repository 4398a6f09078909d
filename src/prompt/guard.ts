// Text that people type is never control text. Before rendering, guards (one private character) are put around each
// text and into everything in it that reads like a control token; a template may trim or move the text, the guards stay
// with it. After rendering they come out again and say where control tokens must not be recognised.

/** The rendered prompt without guards, and where they stood. */
export interface GuardedText {
  text: string;
  /** Ascending offsets into `text`; a control token that would cross one of them is not one. */
  cuts: number[];
  /** Ascending offsets at which the text is encoded in two parts, whatever stands there. */
  seams: number[];
}

/** Blank at the ends may be trimmed by templates (both by Python's and by JavaScript's rule), so it stays outside. */
const BLANK_START = /^[\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;
const BLANK_END = /[\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/;

/** Strings to be broken up, by their first character: tokenizers have thousands that all begin with `<`. */
export type ControlStrings = ReadonlyMap<string, readonly string[]>;

export function controlStrings(strings: Iterable<string>): ControlStrings {
  const groups = new Map<string, string[]>();
  for (const string of new Set(strings)) {
    const first = String.fromCodePoint(string.codePointAt(0)!);
    groups.set(first, [...(groups.get(first) ?? []), string]);
  }
  return groups;
}

/** The two characters that a guard puts into texts. */
export interface Marks {
  mark: string;
  seam: string;
}

export class Guard {
  readonly marks: Marks;
  readonly #mark: string;
  readonly #seam: string;

  constructor(marks: Marks) {
    this.marks = marks;
    this.#mark = marks.mark;
    this.#seam = marks.seam;
  }

  /** @param occupied Every text that the rendering sees: the marks are characters that none of them contains. */
  static for(occupied: readonly string[]): Guard {
    const mark = freeCharacter(occupied);
    return new Guard({ mark, seam: freeCharacter([...occupied, mark]) });
  }

  /** @param controls Strings that must not be recognised inside `text`. */
  protect(text: string, controls: ControlStrings): string {
    const before = BLANK_START.exec(text)?.[0] ?? '';
    const after = before.length === text.length ? '' : (BLANK_END.exec(text)?.[0] ?? '');
    const core = text.slice(before.length, text.length - after.length);
    if (core === '') return text;
    return `${before}${this.#mark}${this.#broken(core, controls)}${this.#mark}${after}`;
  }

  /**
   * `protect`, with what stands between quotation marks encoded character by character, as `spell` does it with what was
   * read: so a quoted name is found among the read lines letter by letter.
   */
  protectSpelled(text: string, controls: ControlStrings): string {
    const spelled = text.replace(/"([^"\n]+)"/g, (_, quoted: string) => {
      return `"${[...quoted].map((character) => this.#seam + character).join('')}${this.#seam}"`;
    });
    return this.protect(spelled, controls);
  }

  /**
   * A text whose lines, from the second on, are encoded in three parts: the place, what the line is, and then character by
   * character what was read, so that no control string can be in it.
   */
  spell(text: string): string {
    const from = text.indexOf('\n') + 1;
    const spelled = text
      .slice(from)
      .split(/(?<=\n)/)
      .map((line) => this.#spelledLine(line));
    return `${this.#mark}${text.slice(0, from)}${spelled.join('')}${this.#seam}${this.#mark}`;
  }

  #spelledLine(line: string): string {
    const [whole, place, mark] = /^(\d+ \d+ )([a-z ,]+: )/.exec(line) ?? ['', '', ''];
    const characters = [...line.slice(whole.length)].map((character) => this.#seam + character);
    return [place, mark].map((part) => (part ? this.#seam + part : '')).join('') + characters.join('');
  }

  /** `text` with a mark after the first character of every control string in it. */
  #broken(text: string, controls: ControlStrings): string {
    let broken = '';
    let at = 0;
    for (const character of text) {
      const found = controls.get(character)?.some((control) => text.startsWith(control, at));
      broken += found ? character + this.#mark : character;
      at += character.length;
    }
    return broken;
  }

  remove(rendered: string): GuardedText {
    const [cuts, seams]: [number[], number[]] = [[], []];
    let text = '';
    for (const piece of rendered.split(this.#either())) {
      if (piece === this.#seam) seams.push(text.length);
      if (piece === this.#seam || piece === this.#mark) cuts.push(text.length);
      else text += piece;
    }
    return { text, cuts, seams };
  }

  /** Length of a part of the rendered text once the guards are out. */
  lengthWithout(rendered: string): number {
    return rendered.replaceAll(this.#either(), '').length;
  }

  #either(): RegExp {
    return new RegExp(`([${this.#mark}${this.#seam}])`, 'gu');
  }
}

/** From the private use area, then from the noncharacters; 6,432 of them. */
function freeCharacter(occupied: readonly string[]): string {
  const used = new Set<string>();
  for (const text of occupied)
    for (const found of text.match(/[\ue000-\uf8ff\ufdd0-\ufdef]/g) ?? []) used.add(found);
  for (const [first, last] of [
    [0xe000, 0xf8ff],
    [0xfdd0, 0xfdef],
  ] as const) {
    for (let code = last; code >= first; code--) {
      const character = String.fromCharCode(code);
      if (!used.has(character)) return character;
    }
  }
  throw new RangeError('Expected text with a private use character to spare but received all of them');
}
