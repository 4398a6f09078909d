// One call's clock: what is waited for, until when, and what stops the work.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { inTime } from '../../src/ask/deadline.js';

const never = new AbortController().signal;
const soon = (ms: number) => performance.now() + ms;

/** Ends when it is told to. */
const heedful = (stop: AbortSignal) =>
  new Promise<string>((resolve) => stop.addEventListener('abort', () => resolve('handed over')));

test('work that is done in time is what comes back, and nothing is stopped', async () => {
  const stopped = await inTime({ signal: never, deadline: Infinity }, async (stop) => {
    await sleep(5);
    return stop.aborted;
  });
  assert.equal(stopped, false);
});

test('at the deadline the work is told to stop, and in the time of grace it hands over what there is', async () => {
  assert.equal(await inTime({ signal: never, deadline: soon(20) }, heedful, 5_000), 'handed over');
});

test('work that does not heed the deadline is waited for no longer than the grace', async () => {
  const begun = performance.now();
  assert.equal(await inTime({ signal: never, deadline: soon(20) }, () => sleep(2_000, 'late'), 20), null);
  assert.ok(performance.now() - begun < 1_500);
});

test('the client’s cancel stops the work and ends the waiting', async () => {
  const client = new AbortController();
  let told = false;
  const waiting = inTime({ signal: client.signal, deadline: Infinity }, (stop) => {
    stop.addEventListener('abort', () => (told = true));
    return sleep(2_000);
  });
  client.abort();
  await assert.rejects(waiting, { code: 'CANCELLED' });
  assert.ok(told);
  const aborted = { signal: AbortSignal.abort(), deadline: Infinity };
  await assert.rejects(
    inTime(aborted, async () => assert.fail('not even begun')),
    { code: 'CANCELLED' },
  );
});

test('a failure is passed on; one that nobody waits for any more troubles nobody', async () => {
  const failing = async () => {
    await sleep(30);
    throw new Error('broken');
  };
  await assert.rejects(inTime({ signal: never, deadline: Infinity }, failing), /broken/);
  assert.equal(await inTime({ signal: never, deadline: soon(1) }, failing), null);
  await sleep(50);
});
