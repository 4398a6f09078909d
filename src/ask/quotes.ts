// A model that answers from read lines quotes them and nothing else: a quotation that was not read is an invention.
import type { HandedLine } from './conversations.js';

/** Read lines in which quotations are looked up, without spaces, in which readers and models differ. */
export class Quotable {
  readonly #lines: readonly string[];

  constructor(lines: readonly HandedLine[]) {
    this.#lines = lines.map(({ text }) => bare(text));
  }

  /** Whether everything that the statement quotes was read; the cells of a row stand apart with bars. */
  allRead(statement: string): boolean {
    return [...statement.matchAll(/"([^"]*)"(?=[ ,:.]|$)/g)].every(([, quoted]) =>
      quoted!.split(' | ').every((piece) => this.lineOf(piece) !== undefined),
    );
  }

  /** Index of the line that `quoted` is, or is a part of, or of the first of several that make it up from beginning to end. */
  lineOf(quoted: string): number | undefined {
    const piece = bare(quoted);
    const whole = this.#lines.indexOf(piece);
    if (whole >= 0) return whole;
    const found = this.#lines.findIndex(
      (line, first) => line.includes(piece) || this.#linesFrom(piece, first) > 0,
    );
    return found < 0 ? undefined : found;
  }

  /** How many lines make up a quotation that begins with the line `first`: one that is a part of it counts too. */
  span(quoted: string, first: number): number {
    return Math.max(1, this.#linesFrom(bare(quoted), first));
  }

  #linesFrom(piece: string, first: number): number {
    let joined = '';
    for (let next = first; next < this.#lines.length && piece.startsWith(joined); next++) {
      joined += this.#lines[next]!;
      if (joined === piece) return next + 1 - first;
    }
    return 0;
  }
}

function bare(text: string): string {
  return text.replace(/\s+/g, '');
}
