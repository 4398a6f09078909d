// Worker threads for work on pixels and other large data, so that the event loop stays free to answer. They start with
// the first job, end when there has been none for a while, and never keep the process alive.
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Tinypool, type Options } from 'tinypool';
import { weighAll } from './buffers.js';
import type { Job, Outcome } from './entry.js';
import { fromThrown } from './thrown.js';

/** Sources run as they are under tsx, compiled otherwise; imports without a parent need the whole name. */
const EXTENSION = extname(import.meta.url);
const ENTRY = new URL(EXTENSION === '.ts' ? './entry-from-source.mjs' : './entry.js', import.meta.url).href;
const MOST_THREADS = 4;
const IDLE_MS = 5000;

export interface JobOptions {
  /** Ends the job where it stands; its promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

export class WorkerPool {
  readonly #options: Options;
  #pool: Tinypool | undefined;
  /** Resolves when the next thread may be started. */
  #mayStart: Promise<void> = Promise.resolve();

  constructor(options: Options = {}) {
    this.#options = options;
  }

  /**
   * A function of another module as one that runs in a thread of this pool. Called in such a thread, it runs there.
   * Input and output are cloned, shared memory (`sharedBytes`) and the output's own buffers excepted: a function gives
   * away what it returns.
   * @param caller `import.meta.url`
   * @param module Relative to the caller, without extension: './pixel-work'.
   */
  job<F extends (input: never) => unknown>(caller: string, module: string, name: string) {
    const address = new URL(`${module}${EXTENSION}`, caller).href;
    return async (input: Parameters<F>[0], options: JobOptions = {}): Promise<Awaited<ReturnType<F>>> => {
      if (Tinypool.isWorkerThread) {
        const functions = (await import(address)) as Record<string, F>;
        return (await functions[name]!(input as never)) as Awaited<ReturnType<F>>;
      }
      return (await this.#run({ module: address, name, input }, options)) as Awaited<ReturnType<F>>;
    };
  }

  async #run(job: Job, { signal }: JobOptions): Promise<unknown> {
    this.#pool ??= new Tinypool({
      filename: ENTRY,
      minThreads: 0,
      maxThreads: Math.min(MOST_THREADS, availableParallelism()),
      idleTimeout: IDLE_MS,
      // What this program was started with (a preload, a script of one line) is not for its threads.
      execArgv: [],
      ...this.#options,
    });
    await this.#inTurn(this.#pool);
    signal?.throwIfAborted();
    try {
      const outcome = (await this.#pool.run(job, { signal })) as Outcome;
      if ('thrown' in outcome) throw fromThrown(outcome.thrown);
      return weighAll(outcome.output);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  }

  /** Starting a thread takes this one a few milliseconds, so each turn of its loop starts one at most. */
  async #inTurn(pool: Tinypool): Promise<void> {
    if (pool.threads.length >= pool.options.maxThreads) return;
    await (this.#mayStart = this.#mayStart.then(() => setImmediate()));
  }
}

/** For short jobs on pixels and data of one call. */
export const workers = new WorkerPool();
