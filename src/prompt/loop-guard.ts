// Small models can fall into saying the same thing for ever. This ends such an answer, and lets through what repeats in
// real pictures: rulers of dots or dashes, empty table cells, a column of equal numbers.

/** Longest cycle looked for, in tokens and in lines. */
const MAX_TOKEN_PERIOD = 64;
const MAX_LINE_PERIOD = 16;

/** A cycle of tokens must fill LEAST_TOKENS positions and as many more as ten rounds take: a screen can hold a log in
 * which one line stands fifteen times, and a table of contents dots from margin to margin. */
const LEAST_TOKENS = 160;
const TOKENS_PER_PERIOD = 10;

/** Lines cycle when whole groups of them come round this often and hold this much text. */
const LINE_ROUNDS = 16;
const LEAST_CHARACTERS = 960;

/** Lengths of the runs in which each item equals the one `period` before it. */
class Cycles<T> {
  readonly maxPeriod: number;

  readonly #recent: T[] = [];
  readonly #runs: number[];

  constructor(maxPeriod: number) {
    this.maxPeriod = maxPeriod;

    this.#runs = new Array<number>(maxPeriod + 1).fill(0);
  }

  push(item: T): void {
    for (let period = 1; period <= this.maxPeriod; period++) {
      const same = this.#recent.length >= period && this.#recent[this.#recent.length - period] === item;
      this.#runs[period] = same ? this.#runs[period]! + 1 : 0;
    }
    this.#recent.push(item);
    if (this.#recent.length > this.maxPeriod) this.#recent.shift();
  }

  /** Items in the repetition that ends here with this period: the first round included, 0 if there is none. */
  length(period: number): number {
    const run = this.#runs[period]!;
    return run === 0 ? 0 : run + period;
  }

  /** The last `count` items, at most maxPeriod. */
  last(count: number): T[] {
    return this.#recent.slice(-count);
  }
}

export class LoopGuard {
  readonly #tokens = new Cycles<number>(MAX_TOKEN_PERIOD);
  readonly #lines = new Cycles<string>(MAX_LINE_PERIOD);
  #line = '';

  /**
   * @param id The next token. @param text What it added to the answer, '' while a character is incomplete.
   * @returns Whether the answer is going round in circles.
   */
  push(id: number, text: string): boolean {
    this.#tokens.push(id);
    return this.#tokensLoop() || this.#linesLoop(text);
  }

  #tokensLoop(): boolean {
    for (let period = 1; period <= MAX_TOKEN_PERIOD; period++) {
      if (this.#tokens.length(period) >= LEAST_TOKENS + TOKENS_PER_PERIOD * period) return true;
    }
    return false;
  }

  /** Cycles longer than MAX_TOKEN_PERIOD, and lines that are the same text in other tokens. */
  #linesLoop(text: string): boolean {
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop()!;
    return lines.some((line) => this.#pushLine(line.trim()));
  }

  #pushLine(line: string): boolean {
    this.#lines.push(line);
    for (let period = 1; period <= MAX_LINE_PERIOD; period++) {
      const rounds = Math.floor(this.#lines.length(period) / period);
      const characters = this.#lines.last(period).join('').length * rounds;
      if (rounds >= LINE_ROUNDS && characters >= LEAST_CHARACTERS) return true;
    }
    return false;
  }
}
