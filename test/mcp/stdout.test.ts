// stdout carries nothing but protocol, whatever goes wrong: every line that a server prints is a JSON-RPC message.
import assert from 'node:assert/strict';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { ended } from '../ended.js';
import { ROOT, serveArguments, type Json } from './clients.js';
import { draw, pictureFolder } from './pictures.js';
import type { ServeSettings } from './serve.js';

const folder = pictureFolder();
const children: ChildProcessWithoutNullStreams[] = [];

function start(settings: ServeSettings, preamble = ''): ChildProcessWithoutNullStreams {
  const first = preamble ? ['--import', `data:text/javascript,${encodeURIComponent(preamble)}`] : [];
  const child = spawn(process.execPath, [...first, ...serveArguments('stdio', settings)], { cwd: ROOT });
  child.stdin.on('error', () => {});
  children.push(child);
  return child;
}

after(() => children.forEach((child) => child.kill('SIGKILL')));

/** Sends lines to a server, closes stdin when `answers` of them came back, and returns what stdout and stderr held. */
async function converse(
  settings: ServeSettings,
  lines: string[],
  answers: number,
): Promise<{ messages: Json[]; stderr: string; code: number | null }> {
  const child = start(settings);
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += chunk));
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    if (stdout.split('\n').length - 1 >= answers) child.stdin.end();
  });
  for (const line of lines) child.stdin.write(`${line}\n`);
  if (answers === 0) child.stdin.end();
  const [code] = await ended(child);
  const messages = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  for (const message of messages) assert.equal(message.jsonrpc, '2.0');
  return { messages, stderr, code };
}

const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
});
const initialized = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' });
const call = (id: number, name: string, args: unknown) =>
  JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } });

test('broken lines, unknown methods, failing tools and debug logs', async () => {
  const picture = await draw(`${folder}/a.png`, '#123456');
  const settings: ServeSettings = { options: { allow: [folder], log: { level: 'debug' } } };
  const { messages, stderr, code } = await converse(
    settings,
    [
      initialize,
      initialized,
      'not json',
      '{"jsonrpc":"2.0"}',
      '[]',
      '\u0000\u0001',
      JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'no/such/method' }),
      call(3, 'no_such_tool', {}),
      call(4, 'describe_image', { image: '/etc/passwd' }),
      call(5, 'describe_image', { image: picture }),
      JSON.stringify({ jsonrpc: '2.0', id: 6, method: 'tools/list' }),
    ],
    6,
  );
  assert.equal(code, 0);
  assert.deepEqual(messages.map(({ id }) => id).sort(), [1, 2, 3, 4, 5, 6]);
  assert.match(
    stderr,
    /"tool":"describe_image".*"image_tokens_reused":\d+.*"msg":"call"/,
    'logs are on stderr and say what was reused',
  );
  assert.match(stderr, /"cache":\{.*"msg":"cache"/, 'at the end the counters of all tiers');
  assert.doesNotMatch(stderr, /Describe the image|iVBOR/, 'logs hold neither prompts nor pixels');
});

test('a message over the limit is refused and the next one answered', async () => {
  const long = call(2, 'describe_image', { image: `data:image/png;base64,${'A'.repeat(161 * 2 ** 20)}` });
  const { messages } = await converse(
    {},
    [initialize, initialized, long, JSON.stringify({ jsonrpc: '2.0', id: 3, method: 'ping' })],
    3,
  );
  assert.deepEqual(
    messages.map(({ id }) => id),
    [1, null, 3],
  );
  assert.match(messages[1].error.message, /Pass the path/);
});

test('a model that cannot be loaded', async () => {
  const picture = await draw(`${folder}/b.png`, '#654321');
  const settings: ServeSettings = {
    script: { failLoad: 'No model at /nowhere; run afterimage pull.' },
    options: { allow: [folder], preload: true },
  };
  const { messages, stderr, code } = await converse(
    settings,
    [initialize, initialized, call(2, 'describe_image', { image: picture })],
    2,
  );
  assert.equal(code, 0);
  const { result } = messages.find(({ id }) => id === 2);
  assert.equal(result.isError, true);
  assert.equal(result.content[0].text, 'MODEL_NOT_FOUND: No model at /nowhere; run afterimage pull.');
  assert.match(stderr, /preload failed/);
});

test('console.log and process.stdout.write of others go to stderr', async () => {
  const noise =
    "setInterval(() => { console.log('NOISE one'); process.stdout.write('NOISE two\\n'); console.info('NOISE three'); }, 20).unref();";
  const child = start({}, noise);
  let stdout = '';
  let stderr = '';
  // An answer on the one side, the noise that comes while there is a transport on the other.
  const enough = (): void => {
    if (stdout.includes('{') && /NOISE one[^]*NOISE two/.test(stderr)) child.stdin.end();
  };
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    enough();
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
    enough();
  });
  child.stdin.write(`${initialize}\n`);
  await ended(child);
  const lines = stdout.split('\n').filter((line) => line !== '');
  const before = lines.findIndex((line) => line.startsWith('{'));
  // Until the transport is up nothing can be redirected, and nothing of ours prints.
  for (const line of lines.slice(before)) assert.equal(JSON.parse(line).jsonrpc, '2.0');
  assert.match(stderr, /NOISE one/);
  assert.match(stderr, /NOISE two/);
});

test('a crash ends the process without a word on stdout', async () => {
  const crash = "setTimeout(() => { throw new Error('unexpected') }, 2500)";
  const child = start({}, crash);
  let stdout = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  const [code] = await ended(child);
  assert.notEqual(code, 0);
  assert.equal(stdout, '');
});

test('stdin that closes at once, and a client that stops reading', async () => {
  assert.equal((await converse({}, [], 0)).code, 0);
  const child = start({});
  child.stdin.write(`${initialize}\n`);
  await once(child.stdout, 'data');
  child.stdout.destroy();
  child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list' })}\n`);
  const [code] = await ended(child);
  assert.equal(code, 0);
});
