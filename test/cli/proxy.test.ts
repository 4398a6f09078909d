// afterimage proxy with the bundled model: a provider reads words, its key is in no log, and another command knows the
// picture by its image_id.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { starterFolder } from '../../src/engine/model-folder.js';
import { provider, type Provider } from '../http/provider.js';
import { ROOT } from '../mcp/clients.js';
import { afterimage } from './command.js';
import { built } from '../built.js';

const cache = mkdtempSync(join(tmpdir(), 'afterimage-proxy-'));
const CACHE = ['--cache-dir', cache];
const KEY = 'sk-nobody-may-log-this';
const data = readFileSync(join(starterFolder(), 'examples', 'login.png')).toString('base64');
let upstream: Provider;
let child: ChildProcess;
let url = '';
let log = '';

before(async () => {
  upstream = await provider();
  const options = ['--upstream', `${upstream.url}/v1`, '--port', '0', '--verbose', ...CACHE];
  child = spawn(process.execPath, [built(), 'proxy', ...options], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  child.stderr!.on('data', (more) => (log += String(more)));
  for await (const line of createInterface({ input: child.stderr! })) {
    url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0] ?? '';
    if (url) return;
  }
  assert.fail(`The proxy ended before it said where it listens: ${log}`);
});
after(async () => {
  child?.kill('SIGKILL');
  await upstream?.close();
  rmSync(cache, { recursive: true, force: true });
});

test('words and text take the picture’s place, and its image_id names it in another process', async () => {
  const source = { type: 'base64', media_type: 'image/png', data };
  const response = await fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': KEY, authorization: `Bearer ${KEY}` },
    body: JSON.stringify({ messages: [{ role: 'user', content: [{ type: 'image', source }] }] }),
  });
  assert.equal(response.status, 200);
  const [{ headers, url: path, body }] = upstream.got as [Provider['got'][number]];
  assert.deepEqual([headers['x-api-key'], path], [KEY, '/v1/messages']);
  const words = JSON.parse(body).messages[0].content[0].text as string;
  assert.match(words, /The model is a small one and often wrong; the text is exact\./);
  assert.match(words, /\nSeen:\n> .*Member login/);
  assert.match(words, /\nText:\n> Member login\n> Wrong email or password\.\n/);
  const id = /img_[0-9a-f]{32}/.exec(words)![0];
  const read = await afterimage(['ocr', id, ...CACHE]);
  assert.equal(read.code, 0, read.stderr);
  assert.match(read.stdout, /^Member login\n/);
  const listed = await afterimage(['cache', 'list', ...CACHE]);
  assert.match(listed.stdout, /^1 pictures .*\n1 descriptions /m);
  assert.match((await afterimage(['cache', 'clear', ...CACHE])).stdout, /^Removed \d+ files/);
  assert.equal((await afterimage(['ocr', id, ...CACHE])).code, 2);
});

test('neither keys nor pictures nor words are logged', () => {
  assert.match(log, /"msg":"passed"/);
  for (const secret of [KEY, data.slice(0, 40), 'Member login']) assert.ok(!log.includes(secret), secret);
});

test('an address is wanted, and --token-file only with --host', async () => {
  for (const [args, said] of [
    [[], /--upstream URL/],
    [['--upstream', 'nowhere'], /Expected an address/],
    [['--upstream', 'http://user:secret@host'], /key comes with each request/],
    [['--upstream', upstream.url, '--token-file', 'x'], /--host/],
  ] as const) {
    const { code, stderr } = await afterimage(['proxy', ...args, '--port', '0']);
    assert.equal(code, 2);
    assert.match(stderr, said);
    assert.doesNotMatch(stderr, /secret/);
  }
});
