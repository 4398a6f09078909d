// Sessions of 2025-era clients: they end by idleness, never under a call, and say so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp } from '../../src/mcp/app.js';
import { LEGACY_LIMITS, LegacyClients } from '../../src/mcp/legacy-clients.js';
import { createServer } from '../../src/mcp/server.js';
import { ScriptedEngine } from './scripted-engine.js';
import { ScriptedReader } from './scripted-reader.js';

function request(body: object | undefined, session?: string): Request {
  return new Request('http://127.0.0.1/mcp', {
    method: body ? 'POST' : 'GET',
    headers: {
      'content-type': 'application/json',
      accept: body ? 'application/json, text/event-stream' : 'text/event-stream',
      ...(session !== undefined && { 'mcp-session-id': session }),
    },
    ...(body && { body: JSON.stringify({ jsonrpc: '2.0', ...body }) }),
  });
}

const INITIALIZE = {
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
};

async function started(clients: LegacyClients): Promise<string> {
  const response = await clients.fetch(request(INITIALIZE));
  await response.text();
  assert.equal(response.status, 200);
  const session = response.headers.get('mcp-session-id')!;
  await (await clients.fetch(request({ method: 'notifications/initialized' }, session))).text();
  return session;
}

function crowd(limits: { idleMs: number; clients: number }): LegacyClients {
  const app = createApp({
    engine: new ScriptedEngine(),
    reader: new ScriptedReader(),
    log: { level: 'silent' },
  });
  return new LegacyClients(
    ({ era }) => createServer(app, { era }),
    () => {},
    limits,
  );
}

const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const busy = (id: number) => ({
  id,
  method: 'tools/call',
  params: {
    name: 'chat_with_images',
    arguments: { images: [PIXEL], message: 'count to 3; words take 200 ms' },
  },
});

test('a session ends when it has been idle, without anybody asking', async () => {
  const clients = crowd({ idleMs: 800, clients: 8 });
  const session = await started(clients);
  assert.equal(clients.size, 1);
  await sleep(2000);
  assert.equal(clients.size, 0);
  assert.equal((await clients.fetch(request({ id: 2, method: 'tools/list' }, session))).status, 404);
  await clients.close();
});

test('those that come at once are no more than those that come in turn', async () => {
  const clients = crowd({ idleMs: 60_000, clients: 2 });
  await started(clients);
  const answers = await Promise.all(Array.from({ length: 20 }, () => clients.fetch(request(INITIALIZE))));
  await Promise.all(answers.map((answer) => answer.text()));
  assert.ok(clients.size <= 2, `${clients.size} sessions`);
  const statuses = answers.map(({ status }) => status);
  assert.deepEqual([...new Set(statuses)].sort(), [200, 503]);
  await clients.close();
});

test('a session with a call in flight is neither idle nor pushed out', async () => {
  const clients = crowd({ idleMs: 400, clients: 2 });
  const working = await started(clients);
  const call = await clients.fetch(request(busy(2), working));
  await started(clients);
  await started(clients);
  assert.match(await call.text(), /1 2 3/);
  await clients.close();
});

test('where all are busy a new one is told to wait', async () => {
  const clients = crowd({ idleMs: 60_000, clients: 1 });
  const working = await started(clients);
  const call = await clients.fetch(request(busy(2), working));
  const refused = await clients.fetch(request(INITIALIZE));
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '10']);
  await call.text();
  await started(clients);
  assert.equal(clients.size, 1);
  await clients.close();
});

test('the 65th pushes out the longest idle, and none that has a call in flight', async () => {
  const clients = crowd(LEGACY_LIMITS);
  const working = await started(clients);
  const call = await clients.fetch(request(busy(2), working));
  const idle = await started(clients);
  for (let more = 2; more < 64; more++) await started(clients);
  assert.equal(clients.size, 64);
  await started(clients);
  assert.equal(clients.size, 64);
  assert.match(await call.text(), /1 2 3/);
  assert.equal((await clients.fetch(request({ id: 3, method: 'tools/list' }, idle))).status, 404);
  await clients.close();
});

test('a stream that ends says so first', async () => {
  const clients = crowd({ idleMs: 60_000, clients: 1 });
  const listening = await clients.fetch(request(undefined, await started(clients)));
  const heard = listening.text();
  await started(clients);
  assert.match(await heard, /initialize again/);
  await clients.close();
});
