// afterimage serve: one resident engine behind commands and an MCP client, each in a process of its own.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { starterFolder } from '../../src/engine/model-folder.js';
import { connect, ROOT } from '../mcp/clients.js';
import { ended } from '../ended.js';
import { afterimage } from './command.js';
import { built } from '../built.js';

const folder = mkdtempSync(join(tmpdir(), 'afterimage-serve-'));
const socket = join(folder, 'engine.sock');
const LOGIN = join(starterFolder(), 'examples', 'login.png');
const REMOTE = ['--remote', '--socket', socket];
let server: ChildProcess;

before(async () => {
  const args = [built(), 'serve', '--socket', socket, '--no-disk-cache'];
  server = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] });
  for await (const line of createInterface({ input: server.stderr! })) {
    if (/keeps afterimage-starter .* resident on /.test(line)) return;
  }
  assert.fail('The engine ended before it said where it listens.');
});
after(() => {
  server?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

test('a second process finds in memory what the first one saw', async () => {
  const args = ['describe', LOGIN, ...REMOTE, '--json', '--max-tokens', '8'];
  const [first, second] = [await afterimage(args), await afterimage(args)];
  assert.equal(first.code, 0, first.stderr);
  const [before, now] = [JSON.parse(first.stdout), JSON.parse(second.stdout)];
  assert.equal(before.cache.image_tokens_reused, 0);
  assert.equal(now.cache.image_tokens_reused, now.cache.image_tokens);
  assert.equal(now.cache.source, 'memory');
  assert.equal(now.answer, before.answer);
});

test('so does an MCP client', async () => {
  const client = await connect('v2 stdio', [...REMOTE, '--allow', dirname(LOGIN)]);
  const { isError, text, structured } = await client.call('ocr', { image: LOGIN, max_tokens: 8 });
  await client.close();
  assert.equal(isError, false, text);
  const { cache } = structured;
  assert.equal(cache.image_tokens_reused, cache.image_tokens);
  assert.equal(cache.encode_ms, 0);
});

test('what the engine decides cannot be chosen by those who share it', async () => {
  const { code, stderr } = await afterimage(['describe', LOGIN, ...REMOTE, '--model', 'elsewhere']);
  assert.equal(code, 2);
  assert.match(stderr, /--model .*afterimage serve.*\[INVALID_ARGUMENT\]/);
  const alone = await afterimage(['describe', LOGIN, '--socket', socket]);
  assert.match(alone.stderr, /--remote.*\[INVALID_ARGUMENT\]/);
});

test('doctor examines it', async () => {
  const { code, stdout, stderr } = await afterimage(['doctor', ...REMOTE, '--json']);
  assert.equal(code, 0, stderr);
  const report = JSON.parse(stdout);
  assert.equal(report.resident_engine, socket);
  assert.match(report.self_test, /^passed/);
});

test('without an engine there is no answer, and no model is loaded instead', async () => {
  const nowhere = ['--remote', '--socket', join(folder, 'none.sock')];
  const { code, stdout, stderr } = await afterimage(['describe', LOGIN, ...nowhere]);
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /start it with `afterimage serve`.*\[ENGINE_UNREACHABLE\]/);
});

test('SIGTERM ends it, and the socket goes', async () => {
  server.kill('SIGTERM');
  assert.deepEqual(await ended(server), [0, null]);
  assert.ok(!existsSync(socket));
});
