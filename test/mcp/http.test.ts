// The door of the HTTP transport: Host, Origin, token, path, token file.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { starterFolder } from '../../src/engine/model-folder.js';
import { createApp } from '../../src/mcp/app.js';
import { unquoted } from '../../src/mcp/log.js';
import { listen, type Listening } from '../../src/mcp/http.js';
import { createServer } from '../../src/mcp/server.js';
import { isAuthorized, readTokens } from '../../src/mcp/token.js';
import { ScriptedEngine } from './scripted-engine.js';
import { ScriptedReader } from './scripted-reader.js';
import { scratchFolder } from '../scratch-folder.js';

const TOKEN = 'a'.repeat(64);
let listening: Listening;

before(async () => {
  const app = createApp({
    engine: new ScriptedEngine(),
    reader: new ScriptedReader(),
    log: { level: 'silent' },
  });
  listening = await listen(({ era }) => createServer(app, { era }), {
    port: 0,
    tokens: [TOKEN],
    log: app.log,
  });
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
  url = listening.url,
): Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }> {
  const { hostname, port } = new URL(url);
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
  const folder = scratchFolder('token');
  const file = join(folder, 'sub', 'token');
  const [token] = (await readTokens(file)) as [string];
  assert.match(token, /^[0-9a-f]{64}$/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(await readTokens(file), [token]);
  chmodSync(file, 0o644);
  await assert.rejects(readTokens(file), { code: 'IO_FAILED', message: /chmod 600/ });
  const short = join(folder, 'short');
  writeFileSync(short, 'abc', { mode: 0o600 });
  await assert.rejects(readTokens(short), { code: 'IO_FAILED' });
  const link = join(folder, 'link');
  symlinkSync(file, link);
  await assert.rejects(readTokens(link), { code: 'IO_FAILED' });
  assert.ok(existsSync(file) && readFileSync(file, 'utf8').includes(token));
});

test('tokens are compared whole', () => {
  assert.ok(isAuthorized(`Bearer ${TOKEN}`, TOKEN));
  assert.ok(isAuthorized(`bearer  ${TOKEN}`, TOKEN));
  for (const header of [undefined, '', 'Bearer', `Bearer ${TOKEN} x`, TOKEN])
    assert.ok(!isAuthorized(header, TOKEN));
});

test('odd hosts, methods and bodies are refused, not failed at, and never quoted in the log', async () => {
  const authorization = `Bearer ${TOKEN}`;
  for (const host of ['[', '127.0.0.1:99999', 'a b', '[::1'])
    assert.match(String((await post({ host, authorization })).status), /^40[03]$/, host);
  const { hostname, port } = new URL(listening.url);
  for (const method of ['PUT', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND']) {
    const status = await new Promise((resolve, reject) => {
      request({ hostname, port, path: '/mcp', method, headers: { authorization } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    assert.equal(status, 405, method);
  }
  const { status } = await post({ authorization }, '/mcp', '{"jsonrpc": "2.0", secret');
  assert.equal(status, 400);
  assert.deepEqual(unquoted(new SyntaxError('Unexpected token s in "secret"')), { error: 'SyntaxError' });
});

test('what is sent is never quoted in the log, whatever is wrong with it', async () => {
  const lines: unknown[] = [];
  const keep = (...said: unknown[]) => void lines.push(said);
  const app = createApp({ engine: new ScriptedEngine(), reader: new ScriptedReader() });
  const log = { warn: keep, error: keep, info: keep } as unknown as typeof app.log;
  const heard = await listen(({ era }) => createServer(app, { era }), { port: 0, tokens: [TOKEN], log });
  const good = { authorization: `Bearer ${TOKEN}` };
  const bodies = [
    '{"secret',
    '"secret"',
    '[{"method":"secret"}]',
    '{"jsonrpc":"2.0","id":"secret","method":7}',
  ];
  for (const body of bodies) await post(good, '/mcp', body, heard.url);
  const odd: Record<string, string>[] = [
    { 'mcp-session-id': 'secret' },
    { 'content-type': 'text/secret' },
    { accept: 'secret' },
    { origin: 'http://secret' },
    { 'mcp-protocol-version': 'secret' },
    { authorization: 'Bearer secret' },
  ];
  for (const headers of odd) await post({ ...good, ...headers }, '/mcp', INITIALIZE, heard.url);
  assert.ok(lines.length > 0, 'something is logged');
  assert.doesNotMatch(
    JSON.stringify(lines, (_, value: unknown) => (value instanceof Error ? value.stack : value)),
    /secret/,
  );
  await heard.close();
  await app.close();
});

test('a token names a client: what one put in, no other can name', async () => {
  const other = 'b'.repeat(64);
  const app = createApp({
    engine: new ScriptedEngine(),
    reader: new ScriptedReader(),
    log: { level: 'silent' },
  });
  const rooms = [app, app.another()];
  const shared = await listen(({ era }, client) => createServer(rooms[client]!, { era }), {
    port: 0,
    tokens: [TOKEN, other],
    log: app.log,
  });
  const picture = `data:image/png;base64,${readFileSync(join(starterFolder(), 'examples', 'login.png')).toString('base64')}`;
  const [one, two] = await Promise.all([connected(shared.url, TOKEN), connected(shared.url, other)]);
  const call = async (client: Client, name: string, args: object) =>
    (await client.callTool({ name, arguments: { ...args } })) as {
      isError?: boolean;
      structuredContent?: Seen;
    };
  const seen = (await call(one, 'describe_image', { image: picture })).structuredContent!;
  const image = seen.images[0]!.image_id;
  assert.ok(!(await call(one, 'ocr', { image })).isError);
  assert.ok((await call(two, 'ocr', { image })).isError);
  assert.ok((await call(two, 'chat_with_images', { session_id: seen.session_id, message: 'And?' })).isError);
  await assert.rejects(two.readResource({ uri: `afterimage://image/${image}` }));
  assert.equal((await two.listResources()).resources.filter(({ uri }) => uri.includes(image)).length, 0);
  // A session of the transport belongs to its token, too.
  const stolen = (one.transport as StreamableHTTPClientTransport).sessionId;
  if (stolen !== undefined) {
    const { status } = await post(
      { authorization: `Bearer ${other}`, 'mcp-session-id': stolen },
      '/mcp',
      '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
      shared.url,
    );
    assert.equal(status, 404);
  }
  await Promise.all([one.close(), two.close()]);
  await shared.close();
  await app.close();
});

interface Seen {
  session_id: string;
  images: { image_id: string }[];
}

async function connected(url: string, token: string): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  const headers = { Authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  return client;
}
