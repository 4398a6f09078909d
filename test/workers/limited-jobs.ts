// Runs in a worker thread.
const given: string[] = [];

export function ready(input: unknown): void {
  if (typeof input === 'string') given.push(input);
}

/** @param ms How long it keeps its thread. */
export function busy(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** What `ready` has been given in this thread. */
export function prepared(_: string): string[] {
  return given;
}
