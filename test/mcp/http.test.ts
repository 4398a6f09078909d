// The door of the HTTP transport: Host, Origin, token, path, token file.
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createApp } from '../../src/mcp/app.js';
import { listen, type Listening } from '../../src/mcp/http.js';
import { createServer } from '../../src/mcp/server.js';
import { isAuthorized, readToken } from '../../src/mcp/token.js';
import { ScriptedEngine } from './scripted-engine.js';
import { ScriptedReader } from './scripted-reader.js';

const TOKEN = 'a'.repeat(64);
let listening: Listening;

before(async () => {
  const app = createApp({
    engine: new ScriptedEngine(),
    reader: new ScriptedReader(),
    log: { level: 'silent' },
  });
  listening = await listen(({ era }) => createServer(app, { era }), { port: 0, token: TOKEN, log: app.log });
});
after(() => listening?.close());

const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
});

/** A raw request: fetch would not let us lie about the host. */
function post(
  headers: Record<string, string>,
  path = '/mcp',
  body = INITIALIZE,
): Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }> {
  const { hostname, port } = new URL(listening.url);
  const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  return new Promise((resolve, reject) => {
    const sent = request(
      { hostname, port, path, method: 'POST', headers: { ...json, ...headers } },
      (response) => {
        let text = '';
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text, headers: response.headers }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

const authorization = `Bearer ${TOKEN}`;

test('it listens on loopback only', () => assert.equal(new URL(listening.url).hostname, '127.0.0.1'));

for (const [what, headers, path, status] of [
  ['the right token', { authorization }, '/mcp', 200],
  ['localhost as host', { authorization, host: 'localhost:1234' }, '/mcp', 200],
  ['a local page as origin', { authorization, origin: 'http://localhost:5173' }, '/mcp', 200],
  ['no token', {}, '/mcp', 401],
  ['a wrong token', { authorization: `Bearer ${'b'.repeat(64)}` }, '/mcp', 401],
  ['half the token', { authorization: `Bearer ${'a'.repeat(32)}` }, '/mcp', 401],
  ['the token as password', { authorization: `Basic ${TOKEN}` }, '/mcp', 401],
  ['a foreign host', { authorization, host: 'evil.example' }, '/mcp', 403],
  ['a host that begins like ours', { authorization, host: '127.0.0.1.evil.example' }, '/mcp', 403],
  ['a foreign origin', { authorization, origin: 'https://evil.example' }, '/mcp', 403],
  ['the null origin', { authorization, origin: 'null' }, '/mcp', 403],
  ['another path', { authorization }, '/', 404],
  ['a path of slashes', { authorization }, '//', 404],
] as [string, Record<string, string>, string, number][]) {
  test(`${what}: ${status}`, async () => {
    const answer = await post(headers, path);
    assert.equal(answer.status, status, answer.text);
    if (status === 401) assert.equal(answer.headers['www-authenticate'], 'Bearer');
  });
}

test('a session that does not exist is 404, so that old clients start over', async () => {
  const { status } = await post(
    { authorization, 'mcp-session-id': 'gone' },
    '/mcp',
    JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'ping' }),
  );
  assert.equal(status, 404);
});

test('broken bodies are answered and survived', async () => {
  for (const body of ['', 'not json', '[]', '{"jsonrpc":"2.0"}', '['.repeat(100_000)]) {
    const { status } = await post({ authorization }, '/mcp', body);
    assert.ok(status >= 400 && status < 500, `${body.slice(0, 20)} got ${status}`);
  }
  assert.equal((await post({ authorization })).status, 200);
});

test('a port in use is one clear error', async () => {
  const port = Number(new URL(listening.url).port);
  const app = createApp({
    engine: new ScriptedEngine(),
    reader: new ScriptedReader(),
    log: { level: 'silent' },
  });
  await assert.rejects(
    listen(({ era }) => createServer(app, { era }), { port, log: app.log }),
    { code: 'IO_FAILED', message: /--http/ },
  );
});

test('the token file is made once, for its owner only, and refused when others can read it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-token-'));
  const file = join(folder, 'sub', 'token');
  const token = await readToken(file);
  assert.match(token, /^[0-9a-f]{64}$/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(await readToken(file), token);
  chmodSync(file, 0o644);
  await assert.rejects(readToken(file), { code: 'IO_FAILED', message: /chmod 600/ });
  const short = join(folder, 'short');
  writeFileSync(short, 'abc', { mode: 0o600 });
  await assert.rejects(readToken(short), { code: 'IO_FAILED' });
  const link = join(folder, 'link');
  symlinkSync(file, link);
  await assert.rejects(readToken(link), { code: 'IO_FAILED' });
  assert.ok(existsSync(file) && readFileSync(file, 'utf8').includes(token));
});

test('tokens are compared whole', () => {
  assert.ok(isAuthorized(`Bearer ${TOKEN}`, TOKEN));
  assert.ok(isAuthorized(`bearer  ${TOKEN}`, TOKEN));
  for (const header of [undefined, '', 'Bearer', `Bearer ${TOKEN} x`, TOKEN])
    assert.ok(!isAuthorized(header, TOKEN));
});
