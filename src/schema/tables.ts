// A grammar as the native core takes it: a pushdown automaton over bytes. native/grammar/grammar.h says what each table
// means.
import { tooLarge } from './refusals.js';

export interface GrammarTables {
  states: number;
  start: number;
  /** [state, lowest byte, highest byte, target] */
  ranges: Int32Array;
  /** [state, target] */
  jumps: Int32Array;
  /** [state, called, target] */
  calls: Int32Array;
  /** [state, first, more, least, most or -1, target] */
  repeats: Int32Array;
  finals: Int32Array;
}

const MOST_STATES = 100_000;

export class TableBuilder {
  #states = 0;
  readonly #ranges: number[] = [];
  readonly #jumps: number[] = [];
  readonly #calls: number[] = [];
  readonly #repeats: number[] = [];
  readonly #finals: number[] = [];

  /** @throws AfterimageError SCHEMA_UNSUPPORTED where there are too many. */
  state(): number {
    if (this.#states >= MOST_STATES) throw tooLarge();
    return this.#states++;
  }

  range(from: number, low: number, high: number, to: number): void {
    this.#ranges.push(from, low, high, to);
  }

  jump(from: number, to: number): void {
    this.#jumps.push(from, to);
  }

  call(from: number, called: number, to: number): void {
    this.#calls.push(from, called, to);
  }

  /** @param item What is repeated, and what it is from the second time on. @param most Infinity: without end. */
  repeat(item: { first: number; more: number }, least: number, most: number, to: number): number {
    const state = this.state();
    this.#repeats.push(state, item.first, item.more, least, most === Infinity ? -1 : most, to);
    return state;
  }

  final(state: number): void {
    this.#finals.push(state);
  }

  /** A state in which a call ends. */
  end(): number {
    const state = this.state();
    this.final(state);
    return state;
  }

  /** @returns the state behind the text. */
  text(from: number, text: string, to?: number): number {
    const bytes = new TextEncoder().encode(text);
    return bytes.reduce((at, byte, i) => {
      const next = i === bytes.length - 1 && to !== undefined ? to : this.state();
      this.range(at, byte, byte, next);
      return next;
    }, from);
  }

  /** One character, and a blank behind it or none, as models write it. */
  spaced(from: number, character: string, to: number): void {
    const behind = this.text(from, character);
    this.jump(behind, to);
    this.text(behind, ' ', to);
  }

  tables(start: number): GrammarTables {
    return {
      states: this.#states,
      start,
      ranges: Int32Array.from(this.#ranges),
      jumps: Int32Array.from(this.#jumps),
      calls: Int32Array.from(this.#calls),
      repeats: Int32Array.from(this.#repeats),
      finals: Int32Array.from(this.#finals),
    };
  }
}
