// What a model may take of the memory there is: refused before its weights are read where that is too little.
import type { NativeEngineOptions } from './native-engine.js';
import type { UsableMemory } from './usable-memory.js';

export type Budgets = NativeEngineOptions['budgets'];

const GIB = 2 ** 30;
const MIB = 2 ** 20;
/** For pictures being decoded, prompts, and the growth of the program itself. */
const HEADROOM = 64 * MIB;

/** What must fit: the weights, and one picture of a screen with its question and answer. */
export interface LeastMemory {
  weights: number;
  kv: number;
  features: number;
  /** Of the vision encoder and of the decoder; each has its own. */
  scratch: { vision: number; decoder: number };
}

export function leastBytes({ weights, kv, features, scratch }: LeastMemory): number {
  return HEADROOM + weights + kv + features + scratch.vision + scratch.decoder;
}

/**
 * KV a quarter of the memory (at most 16 GiB), features and scratch an eighth each (at most 2 and 8 GiB), less where the
 * weights leave less, but always enough for one screen.
 * @param given Chosen by whoever started the program; the others take what is left.
 * @returns undefined where not even the least fits
 */
export function budgetsWithin(
  memory: UsableMemory,
  least: LeastMemory,
  given: Partial<Budgets> = {},
): Budgets | undefined {
  const needed = leastBytes({ ...least, kv: Math.max(least.kv, given.kvBytes ?? 0) });
  if (needed > memory.free) return undefined;
  const rest = memory.free - needed;
  const most = (part: number, cap: number, share: number, floor: number): number =>
    Math.floor(Math.max(floor, Math.min(memory.limit / part, cap, floor + rest * share)));
  return {
    kvBytes: most(4, 16 * GIB, 0.6, least.kv),
    featureBytes: most(8, 2 * GIB, 0.1, least.features),
    scratchBytes: most(8, 8 * GIB, 0.3, Math.max(least.scratch.vision, least.scratch.decoder)),
    ...given,
  };
}
