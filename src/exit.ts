// The last resort of a program that was asked to stop.

/** Long enough to put things away, short enough for those who wait. */
const GRACE_MS = 1500;

/** Ends the process at the latest in a moment, whatever still keeps it; earlier if nothing does. */
export function endSoon(code: number): void {
  setTimeout(() => process.exit(code), GRACE_MS).unref();
}
