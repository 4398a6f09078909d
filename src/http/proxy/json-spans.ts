// JSON as a tree of places instead of values: where each value begins and ends in the bytes, so that a part can be
// exchanged and all else stays as it was written.
import { visit } from 'jsonc-parser';
import { AfterimageError } from '../../errors.js';

export interface Span {
  /** Offsets in bytes. */
  from: number;
  to: number;
}

export interface Value extends Span {
  /** Of a string or a name of few characters, as it is read; of other scalars absent. */
  text?: string;
  isString?: boolean;
  items?: Value[];
  members?: Member[];
}

/** From the name's first quote to the end of the value. */
export interface Member extends Span {
  name: string;
  value: Value;
}

/** More than any conversation has; every value costs memory while the tree is there. */
const MOST_VALUES = 1_000_000;
const LONGEST_TEXT = 256;

/**
 * @param text JSON with one character for each byte, so that offsets are those of the bytes.
 * @throws AfterimageError INVALID_ARGUMENT for what is no JSON, or not JSON that anyone sends.
 */
export function valueOf(text: string): Value {
  const tree = new Tree();
  try {
    visit(text, tree.visitor, { disallowComments: true });
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw refused('is nested too deeply', cause);
  }
  return tree.root();
}

class Tree {
  readonly #open: Value[] = [];
  #root: Value | undefined;
  #count = 0;
  #broken = false;

  readonly visitor = {
    onObjectBegin: (at: number) => void this.#open.push(this.#add({ from: at, to: at, members: [] })),
    onArrayBegin: (at: number) => void this.#open.push(this.#add({ from: at, to: at, items: [] })),
    onObjectEnd: (at: number, length: number) => this.#close(at + length),
    onArrayEnd: (at: number, length: number) => this.#close(at + length),
    onObjectProperty: (name: string, from: number) => {
      // Its value takes the place of this one.
      this.#open.at(-1)?.members?.push({ name, from, to: from, value: { from, to: from } });
    },
    onLiteralValue: (value: unknown, from: number, length: number) => {
      const isString = typeof value === 'string';
      const text = isString && value.length <= LONGEST_TEXT ? value : undefined;
      this.#add({ from, to: from + length, isString, text });
    },
    onError: () => {
      this.#broken = true;
    },
  };

  /** @throws AfterimageError INVALID_ARGUMENT */
  root(): Value {
    if (!this.#root || this.#broken) throw refused('is no JSON');
    return this.#root;
  }

  #add(value: Value): Value {
    if (++this.#count > MOST_VALUES) throw refused(`has more than ${MOST_VALUES} values`);
    const around = this.#open.at(-1);
    const member = around?.members?.at(-1);
    if (!around) this.#root = value;
    else if (member) Object.assign(member, { value, to: value.to });
    else around.items?.push(value);
    return value;
  }

  #close(to: number): void {
    const value = this.#open.pop();
    if (value) value.to = to;
    const member = this.#open.at(-1)?.members?.at(-1);
    if (member) member.to = to;
  }
}

function refused(what: string, cause?: unknown): AfterimageError {
  return new AfterimageError('INVALID_ARGUMENT', `The body ${what}; send an object like {"messages": […]}.`, {
    cause,
  });
}
