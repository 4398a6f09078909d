// Jobs in worker threads: what they are given and give back, how they fail and how they are ended.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { threadId } from 'node:worker_threads';
import { movable } from '../../src/workers/buffers.js';
import { workers } from '../../src/workers/pool.js';
import { isShared, sharedBytes, toShared } from '../../src/workers/shared-bytes.js';
import { program } from '../built.js';
import { nested } from './callers.js';
import type * as jobs from './jobs.js';

const here = import.meta.url;
const thread = workers.job<typeof jobs.thread>(here, './jobs', 'thread');
const nestedThread = workers.job<typeof jobs.nestedThread>(here, './jobs', 'nestedThread');
const doubled = workers.job<typeof jobs.doubled>(here, './jobs', 'doubled');
const fail = workers.job<typeof jobs.fail>(here, './jobs', 'fail');
const forever = workers.job<typeof jobs.forever>(here, './jobs', 'forever');
const die = workers.job<typeof jobs.die>(here, './jobs', 'die');

describe('jobs', () => {
  test('run in other threads, and a job of a job in the same', async () => {
    assert.notEqual(await thread(undefined), threadId);
    assert.notEqual(await nested(undefined), threadId);
    assert.notEqual(await nestedThread(undefined), threadId);
  });

  test('take and give shared memory without a copy, and other memory with one', async () => {
    const shared = toShared(Uint8Array.of(1, 2, 3));
    const back = await doubled(shared);
    assert.deepEqual([back.shared, isShared(back.data), [...back.data]], [true, true, [2, 4, 6]]);
    const own = Uint8Array.of(4, 5);
    assert.deepEqual([...(await doubled(own)).data], [8, 10]);
    assert.equal(own.length, 2);
  });

  test('fail with the class, code and sentence of what was thrown', async () => {
    await assert.rejects(fail('ours'), {
      name: 'AfterimageError',
      code: 'IMAGE_UNREADABLE',
      message: 'Save it again.',
    });
    await assert.rejects(fail('type'), { name: 'TypeError', message: 'Expected a picture' });
  });

  test('are ended by their signal even where they never look up, and the next one runs', async () => {
    const reason = new Error('enough');
    const stop = new AbortController();
    const endless = forever(undefined, { signal: stop.signal });
    setTimeout(() => stop.abort(reason), 200);
    await assert.rejects(endless, reason);
    await assert.rejects(thread(undefined, { signal: stop.signal }), reason);
    assert.notEqual(await thread(undefined), threadId);
  });

  test('that end their thread fail, and the next one runs', async () => {
    await assert.rejects(die(undefined), /nobody caught this/);
    assert.notEqual(await thread(undefined), threadId);
  });

  test('drop shared memory that nobody holds any more', { timeout: 120_000 }, async () => {
    const megabytes = (): number => process.memoryUsage().rss / 1e6;
    const before = megabytes();
    let most = 0;
    for (let i = 0; i < 60; i++) {
      await doubled(sharedBytes(20e6).fill(1));
      most = Math.max(most, megabytes());
    }
    assert.ok(most - before < 800, `${Math.round(most - before)} MB more for 2400 MB in all`);
  });
});

test('idle threads do not keep a process', () => {
  const text = `import { nested } from './callers.ts'; await nested();`;
  const { status, stderr } = spawnSync(process.execPath, program(import.meta.url, text), {
    timeout: 60_000,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
});

test('memory that was handed over before is an error, not silence', () => {
  const data = new Float32Array(4);
  structuredClone(data, { transfer: [data.buffer] });
  assert.throws(() => movable({ data }), /handed over before/);
});
