// The one clock of a call: how long its work may run, and how long anyone waits for it. Engines only know `stop`.
import { AfterimageError } from '../errors.js';
import { timerMs } from '../timer.js';

export interface TimeLimits {
  /** The client's cancel. */
  signal: AbortSignal;
  /** performance.now() after which what there is is returned; Infinity: no limit. */
  deadline: number;
}

/**
 * Waits for `work`, whose `stop` fires at the deadline and at the client's cancel, and for `graceMs` beyond the deadline
 * for what it then hands over. Work that does not heed `stop` goes on; nobody waits for it any more.
 * @returns null when nothing has come by then
 * @throws AfterimageError CANCELLED; what `work` throws
 */
export function inTime<T>(
  { signal, deadline }: TimeLimits,
  work: (stop: AbortSignal) => Promise<T>,
  graceMs = 0,
): Promise<T | null> {
  if (signal.aborted) return Promise.reject(cancelled());
  const stop = new AbortController();
  const left = deadline - performance.now();
  return new Promise<T | null>((resolve, reject) => {
    const cancel = (): void => {
      stop.abort();
      reject(cancelled());
    };
    signal.addEventListener('abort', cancel, { once: true });
    const timers = [
      setTimeout(() => stop.abort(), timerMs(left)),
      setTimeout(() => resolve(null), timerMs(left + graceMs)),
    ];
    const settled = (): void => {
      timers.forEach(clearTimeout);
      signal.removeEventListener('abort', cancel);
    };
    // It may fail after nobody waits for it any more.
    void work(stop.signal).then(resolve, reject).finally(settled);
  });
}

export function cancelled(): AfterimageError {
  return new AfterimageError(
    'CANCELLED',
    'The client cancelled this call; the session is as it was before it.',
  );
}
