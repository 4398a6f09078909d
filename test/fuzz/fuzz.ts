// Runs a check on changed inputs for so long: AFTERIMAGE_FUZZ_SECONDS, 2 unless it says otherwise. A longer run begins at
// another seed each time.
import assert from 'node:assert/strict';
import { AfterimageError } from '../../src/errors.js';
import { random, type Random } from './mutations.js';

const given = process.env['AFTERIMAGE_FUZZ_SECONDS'];
export const SECONDS = Number(given ?? 2);

/** What one input may take. */
const PATIENCE_MS = 20_000;

export interface Fuzz<T> {
  make(next: Random): T;
  /** Throws AfterimageError where the input is refused; anything else fails the test. */
  run(input: T): unknown;
  show(input: T): string;
}

/** @returns How many inputs were tried, and how many of them were accepted. */
export async function fuzz<T>({ make, run, show }: Fuzz<T>): Promise<{ tried: number; accepted: number }> {
  const next = random(given === undefined ? 1 : Date.now() >>> 0);
  const end = performance.now() + SECONDS * 1000;
  let [tried, accepted] = [0, 0];
  for (; performance.now() < end; tried++) {
    const input = make(next);
    const start = performance.now();
    try {
      await run(input);
      accepted++;
    } catch (error) {
      assert.ok(error instanceof AfterimageError, `${(error as Error).stack}\n${show(input).slice(0, 4000)}`);
      assert.notEqual(error.code, 'INTERNAL', show(input).slice(0, 4000));
    }
    assert.ok(performance.now() - start < PATIENCE_MS, `takes too long: ${show(input).slice(0, 4000)}`);
  }
  return { tried, accepted };
}
