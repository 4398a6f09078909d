// Downloads that the page begins and watches, from a hub on loopback.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AfterimageError } from '../../src/errors.js';
import { Downloads, type Download } from '../../src/http/page/downloads.js';
import { LoopbackHub, status } from '../pull/loopback-hub.js';
import { scratchFolder } from '../scratch-folder.js';

const NAME = 'org/model';
let hub: LoopbackHub;
let downloads: Downloads;

before(async () => {
  hub = await new LoopbackHub().start();
  downloads = new Downloads((error) => assert.fail(String(error)));
  const home = scratchFolder('downloads');
  Object.assign(process.env, { HF_ENDPOINT: hub.endpoint, HF_HOME: home, HF_HUB_CACHE: home });
});
after(() => {
  downloads.close();
  hub.close();
});

/** Once it is as it should be. */
async function seen(like: (download: Download) => boolean): Promise<Download> {
  for (;;) {
    const found = (await downloads.list()).find(like);
    if (found) return found;
    await sleep(10);
  }
}

test('one that is under way is told with its bytes, begun once, and stopped', async () => {
  hub.storageFaults.push((_, response) => {
    response.writeHead(200, { 'content-length': hub.weights.length });
    response.write(hub.weights.subarray(0, 100_000));
    return true;
  });
  downloads.begin(NAME);
  const running = await seen(({ state, doneBytes }) => state === 'running' && doneBytes >= 100_000);
  assert.ok(running.totalBytes! > hub.weights.length);
  assert.throws(
    () => downloads.begin(NAME),
    (error: AfterimageError) => error.code === 'ENGINE_BUSY',
  );
  downloads.stop(NAME);
  // What another program downloads is known by its unfinished file alone; here it is what was left of ours.
  assert.ok((await seen(({ state }) => state === 'elsewhere')).doneBytes >= 100_000);
});

test('begun again it goes on to its end', async () => {
  await sleep(50);
  downloads.begin(NAME);
  const done = await seen(({ state }) => state !== 'running' && state !== 'elsewhere');
  assert.equal(done.message, undefined);
  assert.equal(done.state, 'done');
  assert.equal(done.doneBytes, done.totalBytes);
  assert.ok((await downloads.list()).every(({ state }) => state !== 'elsewhere'));
});

test('one that fails says why, in a sentence', async () => {
  hub.hubFaults.push(status(404));
  downloads.begin('org/other');
  const failed = await seen(({ state }) => state === 'failed');
  assert.match(failed.message!, /does not have it \(404\)/);
});
