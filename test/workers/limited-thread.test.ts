// A thread for what strangers wrote: one job at a time, each within its own time, none for those who have gone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LimitedThread, TookTooLong } from '../../src/workers/limited-thread.js';
import type * as jobs from './limited-jobs.js';

const thread = new LimitedThread<typeof jobs>(import.meta.url, './limited-jobs');
const busy = thread.job<typeof jobs.busy>('busy');
const prepared = thread.job<typeof jobs.prepared>('prepared');

test('a job that takes too long ends with its thread, and the time of the next begins at its turn', async () => {
  const late = assert.rejects(busy(1e9, 600), TookTooLong);
  const next = busy(1, 600);
  await late;
  await next;
});

test('a thread that begins anew is made ready for its job', async () => {
  assert.deepEqual(await prepared('a', 10_000), ['a']);
  await assert.rejects(busy(1e9, 100), TookTooLong);
  assert.deepEqual(await prepared('b', 10_000), ['b']);
});

test('nothing is done for those who have gone', async () => {
  const first = busy(200, 10_000);
  const gone = new AbortController();
  const many = Array.from({ length: 50 }, () =>
    assert.rejects(busy(10_000, 20_000, gone.signal), { code: 'CANCELLED' }),
  );
  gone.abort();
  const start = performance.now();
  await Promise.all([first, ...many]);
  await busy(1, 10_000);
  assert.ok(performance.now() - start < 10_000);
});
