// Runs a check on changed inputs: for AFTERIMAGE_FUZZ_SECONDS, 2 unless it says otherwise, or on AFTERIMAGE_FUZZ_INPUTS of
// them; where both are said, until one is reached. A run of a chosen length begins at another seed each time; AFTERIMAGE_FUZZ_SEED repeats one.
import assert from 'node:assert/strict';
import { AfterimageError } from '../../src/errors.js';
import { random, type Random } from './mutations.js';

const { AFTERIMAGE_FUZZ_SECONDS: seconds, AFTERIMAGE_FUZZ_INPUTS: inputs } = process.env;
const SECONDS = Number(seconds ?? (inputs === undefined ? 2 : Infinity));
const INPUTS = Number(inputs ?? Infinity);
const chosen = seconds !== undefined || inputs !== undefined;
const SEED = Number(process.env['AFTERIMAGE_FUZZ_SEED'] ?? (chosen ? Date.now() >>> 0 : 1));

/** What one input may take; what waits for its turn on a crowded machine does not work meanwhile. */
const PATIENCE_CPU_MS = 10_000;
const DAY_MS = 86_400_000;

/** How long a test of the chosen length may take. */
export const LIMIT_MS = Math.min(SECONDS * 1000 + 120_000, DAY_MS);

export interface Fuzz<T> {
  make(next: Random): T;
  /** Throws AfterimageError where the input is refused; anything else fails the test. */
  run(input: T): unknown;
  show(input: T): string;
}

export interface Tally {
  seed: number;
  tried: number;
  accepted: number;
}

export async function fuzz<T>({ make, run, show }: Fuzz<T>): Promise<Tally> {
  const next = random(SEED);
  const end = performance.now() + SECONDS * 1000;
  const tally = { seed: SEED, tried: 0, accepted: 0 };
  for (; tally.tried < INPUTS && performance.now() < end; tally.tried++) {
    const input = make(next);
    const begun = process.cpuUsage();
    const shown = (): string => `seed ${SEED}, input ${tally.tried}: ${show(input).slice(0, 4000)}`;
    try {
      await run(input);
      tally.accepted++;
    } catch (error) {
      assert.ok(error instanceof AfterimageError, `${(error as Error).stack}\n${shown()}`);
      assert.notEqual(error.code, 'INTERNAL', shown());
    }
    const { user, system } = process.cpuUsage(begun);
    assert.ok(user + system < PATIENCE_CPU_MS * 1000, `takes too long: ${shown()}`);
  }
  return tally;
}
