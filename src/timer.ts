// Milliseconds as timers take them: what does not fit 32 bits would end at once.
const LONGEST = 2 ** 31 - 1;

export function timerMs(ms: number): number {
  return Math.min(LONGEST, Math.max(0, ms));
}
