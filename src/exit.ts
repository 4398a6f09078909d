// How a program is asked to stop, and its last resort then.

/**
 * Signals by which a program is asked to stop. On Windows also Ctrl+Break and a console that is closed; elsewhere the
 * latter ends the process by itself, or not, as `nohup` has it.
 */
export function stopSignals(platform = process.platform): readonly NodeJS.Signals[] {
  return platform === 'win32' ? ['SIGINT', 'SIGTERM', 'SIGBREAK', 'SIGHUP'] : ['SIGINT', 'SIGTERM'];
}

/** Long enough to put things away, short enough for those who wait. */
const GRACE_MS = 1500;

/** Ends the process at the latest in a moment, whatever still keeps it; earlier if nothing does. */
export function endSoon(code: number): void {
  setTimeout(() => process.exit(code), GRACE_MS).unref();
}
