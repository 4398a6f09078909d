// Two servers of ours behind one --engine list: a picture stays with the one that saw it; when that one is killed, calls go
// on at the other, and only when both are gone is there no answer.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { starterFolder } from '../../src/engine/model-folder.js';
import { connect, type TestClient } from '../mcp/clients.js';
import { scratchFolder } from '../scratch-folder.js';
import { served, type Served } from './served.js';

const token = join(scratchFolder('two'), 'token');
const folder = join(starterFolder(), 'examples');
const image = join(folder, 'login.png');
const running: Served[] = [];
let client: TestClient | undefined;
after(async () => {
  await client?.close();
  for (const server of running) await server.end('SIGKILL');
});

test('one of two servers is killed and calls go on', { timeout: 240_000 }, async () => {
  running.push(await served(token, folder));
  running.push(await served(token, folder));
  process.env['AFTERIMAGE_ENGINE_KEY'] = readFileSync(token, 'utf8').trim();
  const engines = running.flatMap(({ url }) => ['--engine', url]);
  client = await connect('v2 stdio', [...engines, '--allow', folder]);
  const ask = (question: string, max_tokens = 24) =>
    client!.call('describe_image', { image, question, max_tokens, reading: false }, { timeoutMs: 100_000 });
  const first = await ask('What is the title?');
  assert.equal(first.isError, false, first.text);
  const again = await ask('What is the title?');
  assert.equal(again.structured['answer'], first.structured['answer']);
  const { cache } = again.structured;
  assert.equal(cache.prompt_tokens_reused, cache.prompt_tokens - 1, 'the picture stays where it was seen');
  const counts = await Promise.all(running.map((server) => server.completions()));
  assert.deepEqual([...counts].sort(), [0, 2]);
  const [busy, idle] = counts[0]! > 0 ? running : running.toReversed();

  // In the middle of an answer: that one may be lost, with a code that says so, or be begun anew.
  const inFlight = ask('Describe everything that you see in this picture.', 400);
  await sleep(300);
  await busy!.end('SIGKILL');
  const lost = await inFlight;
  if (lost.isError) assert.equal(lost.code, 'ENGINE_FAILED', lost.text);

  for (let i = 0; i < 3; i++) {
    const now = await ask('What is the title?');
    assert.equal(now.isError, false, now.text);
    assert.equal(now.structured['answer'], first.structured['answer'], 'the same model, the same words');
  }
  assert.ok((await idle!.completions()) >= 3);

  await idle!.end('SIGKILL');
  const none = await ask('What is the title?');
  assert.equal(none.code, 'ENGINE_UNREACHABLE', none.text);
});
