// Token ids → text as they come: whole characters only, and nothing of a stop string.
import type { Tokenizer } from './tokenizer.js';

/** A byte-level token can end inside a character; such text decodes to this at its end. */
const REPLACEMENT = '\ufffd';

/** Tokens decoded together at most, so that a long answer costs no more per token than a short one. */
const WINDOW = 64;

/** How far a text has come. */
export interface TextState {
  /** Tokens decoded before, kept because decoders treat the first token of a text apart, and those not written yet. */
  window: number[];
  /** How many tokens of the window are written. */
  written: number;
}

/** @param context Last tokens before the first one pushed (the prompt's, where the answer continues a prefill). */
export function textAfter(context: readonly number[]): TextState {
  const window = context.slice(-8);
  return { window, written: window.length };
}

/** Text of a growing list of tokens. The pieces joined equal the text of all tokens decoded at once. */
export class Detokenizer {
  readonly #tokenizer: Tokenizer;
  #window: number[];
  #written: number;

  constructor(tokenizer: Tokenizer, { window, written }: TextState = textAfter([])) {
    this.#tokenizer = tokenizer;
    this.#window = window;
    this.#written = written;
  }

  /** Another detokenizer goes on from it. */
  get state(): TextState {
    return { window: this.#window, written: this.#written };
  }

  /** @returns What can be written now; '' while a character is incomplete. */
  push(id: number): string {
    this.#window.push(id);
    const text = this.#unwritten();
    if (text.endsWith(REPLACEMENT) && this.#window.length < WINDOW) return '';
    this.#advance();
    return text;
  }

  /** The rest, incomplete characters as U+FFFD. */
  end(): string {
    const text = this.#unwritten();
    this.#advance();
    return text;
  }

  #unwritten(): string {
    const before = this.#decode(this.#window.slice(0, this.#written));
    return this.#decode(this.#window).slice(before.length);
  }

  #advance(): void {
    // The newest token alone is context enough: whatever precedes it, it is not the first.
    const from = Math.max(0, this.#written - 1);
    this.#window = this.#window.slice(Math.max(from, this.#window.length - 8));
    this.#written = this.#window.length;
  }

  #decode(ids: number[]): string {
    return this.#tokenizer.decode(ids);
  }
}

export interface Passed {
  /** What may be shown. */
  text: string;
  /** True once a stop string has been seen; everything from its first character on is dropped. */
  stopped: boolean;
}

/** Ends a text at the first stop string, also where tokens split it. What could become one is held back. */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';
  #stopped = false;

  /** @throws TypeError for an empty stop string, which would end every answer before it begins. */
  constructor(stops: readonly string[]) {
    if (stops.includes('')) throw new TypeError('Expected non-empty stop strings but received ""');
    this.#stops = stops;
  }

  push(text: string): Passed {
    if (this.#stopped) return { text: '', stopped: true };
    this.#held += text;
    const found = this.#stops.map((stop) => this.#held.indexOf(stop)).filter((at) => at >= 0);
    this.#stopped = found.length > 0;
    return {
      text: this.#release(this.#stopped ? Math.min(...found) : this.#safeLength()),
      stopped: this.#stopped,
    };
  }

  /** What was held back and turned out to be no stop string. */
  end(): string {
    return this.#stopped ? '' : this.#release(this.#held.length);
  }

  #release(length: number): string {
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return text;
  }

  /** Characters before the earliest place at which a stop string could be beginning. */
  #safeLength(): number {
    const longest = Math.max(0, ...this.#stops.map((stop) => stop.length));
    for (let at = Math.max(0, this.#held.length - longest + 1); at < this.#held.length; at++) {
      const tail = this.#held.slice(at);
      if (this.#stops.some((stop) => stop.startsWith(tail))) return at;
    }
    return this.#held.length;
  }
}
