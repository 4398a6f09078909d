// How far what was read is from what a page really says.
import { overlap, type Bounds } from '../../src/reading/quad.js';

/** Levenshtein's distance over characters. */
export function edits(a: string, b: string): number {
  const wanted = [...b];
  let row = Uint32Array.from({ length: wanted.length + 1 }, (_, at) => at);
  for (const [i, character] of [...a].entries()) {
    const next = new Uint32Array(row.length);
    next[0] = i + 1;
    for (let j = 1; j < row.length; j++) {
      const same = character === wanted[j - 1] ? 0 : 1;
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + same);
    }
    row = next;
  }
  return row.at(-1)!;
}

/** Characters that fonts and keyboards tell apart and no reader has to. */
export function plain(text: string): string {
  return text.normalize('NFKC').replace(/[“”„]/g, '"').replace(/[‘’]/g, "'").replace(/\s+/g, ' ').trim();
}

/** Errors per character over many texts. */
export class ErrorRate {
  #errors = 0;
  #characters = 0;

  /** @returns the errors of this text */
  add(truth: string, read: string): number {
    const wanted = plain(truth);
    const errors = edits(plain(read), wanted);
    this.#errors += errors;
    this.#characters += [...wanted].length;
    return errors;
  }

  get value(): number {
    return this.#errors / Math.max(1, this.#characters);
  }
}

/** Share of true boxes that a read box covers with IoU ≥ 0.5. */
export class FoundBoxes {
  #found = 0;
  total = 0;

  add(truth: Bounds, read: readonly Bounds[]): number {
    const best = Math.max(0, ...read.map((bounds) => overlap(bounds, truth)));
    this.total++;
    if (best >= 0.5) this.#found++;
    return best;
  }

  get value(): number {
    return this.#found / Math.max(1, this.total);
  }
}
