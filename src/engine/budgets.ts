// Default memory budgets, from the machine's memory.
import { totalmem } from 'node:os';
import type { NativeEngineOptions } from './native-engine.js';

const GIB = 2 ** 30;

/** KV a quarter of the memory (at most 16 GiB), features and scratch an eighth each (at most 2 and 8 GiB). */
export function defaultBudgets(memory = totalmem()): NativeEngineOptions['budgets'] {
  return {
    kvBytes: Math.floor(Math.min(memory / 4, 16 * GIB)),
    featureBytes: Math.floor(Math.min(memory / 8, 2 * GIB)),
    scratchBytes: Math.floor(Math.min(memory / 8, 8 * GIB)),
  };
}
