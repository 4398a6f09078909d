// How long the event loop stood still during some work. Other programs and other threads delay a thread without its
// doing anything, so where the kernel tells how long this thread has run, that is what counts: the longest run between two
// turns of the loop is the thread's own work, on a crowded machine as on a calm one.
import { closeSync, openSync, readSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/** Linux: nanoseconds on a CPU, nanoseconds waiting for one, turns. */
const SCHEDULED = `/proc/self/task/${process.pid}/schedstat`;

/** The longest stretch in milliseconds. */
export function longestPause(work: () => Promise<unknown>): Promise<number> {
  let file: number;
  try {
    file = openSync(SCHEDULED, 'r');
  } catch {
    return longestDelay(work);
  }
  return longestRun(file, work).finally(() => closeSync(file));
}

async function longestRun(file: number, work: () => Promise<unknown>): Promise<number> {
  const text = Buffer.alloc(64);
  const never = new Int32Array(new SharedArrayBuffer(4));
  const ran = (): number => {
    // The kernel books a thread's time when it gives up its CPU, and every few milliseconds otherwise.
    Atomics.wait(never, 0, 0, 0.01);
    return Number(text.toString('latin1', 0, readSync(file, text, 0, 64, 0)).split(' ')[0]) / 1e6;
  };
  let longest = 0;
  let last = ran();
  const turn = (): void => {
    const now = ran();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(turn, 1);
  try {
    await sleep(5);
    await work();
    await sleep(5);
  } finally {
    clearInterval(timer);
  }
  return longest;
}

async function longestDelay(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await sleep(5);
  await work();
  await sleep(5);
  delay.disable();
  return delay.max / 1e6;
}
