// What runs in a worker thread: imports the module a job names, calls its function, sends back what it made.
import { Tinypool, type Transferable } from 'tinypool';
import { movable, weighAll } from './buffers.js';
import { toThrown, type Thrown } from './thrown.js';

export interface Job {
  /** Address of the module. */
  module: string;
  /** The exported function. */
  name: string;
  input: unknown;
}

export type Outcome = { output: unknown } | { thrown: Thrown };

export default async function perform({ module, name, input }: Job): Promise<Outcome> {
  try {
    const functions = (await import(module)) as Record<string, (input: unknown) => unknown>;
    return moved({ output: await functions[name]!(weighAll(input)) });
  } catch (error) {
    return { thrown: toThrown(error) };
  }
}

/** Memory that belongs to the outcome alone is handed over, not copied. */
function moved(outcome: Outcome): Outcome {
  return Tinypool.move({
    [Tinypool.transferableSymbol]: movable(outcome),
    [Tinypool.valueSymbol]: outcome,
  } as unknown as Transferable) as unknown as Outcome;
}
