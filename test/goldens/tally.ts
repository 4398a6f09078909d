// Counts comparisons and keeps the largest error of each stage.

export interface Failure {
  where: string;
  what: string;
}

export class Tally {
  passed = 0;
  readonly failures: Failure[] = [];
  /** Largest absolute error by stage. */
  readonly errors = new Map<string, number>();

  equal(where: string, stage: string, actual: unknown, expected: unknown): void {
    const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
    this.#record(a === e, where, `${stage}: got ${shorten(a)}, expected ${shorten(e)}`);
  }

  close(
    where: string,
    stage: string,
    actual: ArrayLike<number>,
    expected: ArrayLike<number>,
    tolerance: number,
  ): void {
    const error = largestDifference(actual, expected);
    if (error > (this.errors.get(stage) ?? 0)) this.errors.set(stage, error);
    this.#record(
      error <= tolerance,
      where,
      `${stage}: differs by ${error.toExponential(2)}, more than ${tolerance.toExponential(0)}`,
    );
  }

  fail(where: string, what: string): void {
    this.#record(false, where, what);
  }

  #record(ok: boolean, where: string, what: string): void {
    if (ok) this.passed++;
    else this.failures.push({ where, what });
  }
}

/** Infinity where the lengths differ or a number is not one. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
  }
  return largest;
}

/** Infinity where the lengths differ. */
export function meanDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / a.length;
}

function shorten(text: string | undefined): string {
  return text === undefined || text.length <= 120 ? String(text) : `${text.slice(0, 117)}…`;
}
