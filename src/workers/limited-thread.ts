// One thread for work that strangers wrote: a job at a time, each for so long at most. One that takes longer is ended with
// its thread, and the next one finds a new thread.
import type { Options } from 'tinypool';
import { AfterimageError } from '../errors.js';
import { WorkerPool } from './pool.js';

export class TookTooLong extends Error {}

/** For what `ready` does: large files on a slow machine. */
const READY_MS = 180_000;

/** In which a thread works; beside its jobs it exports `ready`. */
interface Module {
  /** Takes the input of each job before the job does. What a new thread must do first is not the job's time. */
  ready(input: unknown): void | Promise<void>;
}

export class LimitedThread<M extends Module> {
  readonly #caller: string;
  readonly #module: string;
  readonly #pool: WorkerPool;
  readonly #ready: (input: unknown, options?: { signal: AbortSignal }) => Promise<unknown>;
  /** The limit of a job begins when those before it have ended. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param caller and module as for `WorkerPool.job` */
  constructor(caller: string, module: string, options: Options = {}) {
    this.#caller = caller;
    this.#module = module;
    this.#pool = new WorkerPool({ ...options, maxThreads: 1 });
    this.#ready = this.#pool.job<M['ready']>(caller, module, 'ready');
  }

  /** Begins to start the thread, where that has not happened. */
  start(): void {
    // A thread that does not start is found out by the first job.
    void this.#next(() => this.#ready(undefined)).catch(() => {});
  }

  /**
   * As `WorkerPool.job`; the function it gives rejects with TookTooLong after `ms`, and does nothing for those who have
   * gone when their turn comes: who asks a thousand things and leaves keeps nobody waiting. With `ends` a job whose caller
   * goes is ended where it stands, with its thread, and rejects with the signal's reason.
   */
  job<F extends (input: never) => unknown>(name: string) {
    const run = this.#pool.job<F>(this.#caller, this.#module, name);
    return (input: Parameters<F>[0], ms: number, gone?: AbortSignal, { ends = false } = {}) =>
      this.#next<unknown>(async () => {
        if (gone?.aborted) throw new AfterimageError('CANCELLED', 'The question was cancelled.');
        await limited(READY_MS, (signal) => this.#ready(input, { signal }));
        return limited(ms, (signal) => run(input, { signal }), ends ? gone : undefined);
      }) as Promise<Awaited<ReturnType<F>>>;
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const turn: Promise<T> = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

async function limited<T>(
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
  gone?: AbortSignal,
): Promise<T> {
  const late = AbortSignal.timeout(Math.ceil(ms));
  try {
    return await work(gone ? AbortSignal.any([late, gone]) : late);
  } catch (cause) {
    if (late.aborted && cause === late.reason) throw new TookTooLong(`longer than ${ms} ms`, { cause });
    throw cause;
  }
}
