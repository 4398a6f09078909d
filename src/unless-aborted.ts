/**
 * Stops waiting for `work` when the signal says so; the work itself goes on, for whoever else waits for it.
 * @param reason What waiting ends with then; absent: the signal's own.
 */
export function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  reason?: () => Error,
): Promise<T> {
  if (!signal) return work;
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(reason?.() ?? (signal.reason as Error));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    // It may fail after nobody waits for it any more.
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
