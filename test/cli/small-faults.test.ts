// Surroundings that are not as they should be: the program goes on where it can and says why where it cannot.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { baseFolder } from '../../src/base-folder.js';
import { Options } from '../../src/cli/options.js';
import { usableCacheFolder } from '../../src/cli/open-engine.js';
import { UnavailableEngine } from '../../src/engine/unavailable-engine.js';
import { AfterimageError } from '../../src/errors.js';
import { built } from '../built.js';
import { ended } from '../ended.js';

const folder = mkdtempSync(join(tmpdir(), 'afterimage-small-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function withCacheHome<T>(value: string, work: () => T): T {
  const before = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = value;
  try {
    return work();
  } finally {
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
  }
}

test('a relative XDG folder is no folder', () => {
  const wanted = (value: string) => baseFolder('XDG_CACHE_HOME', '.cache', { XDG_CACHE_HOME: value });
  assert.equal(wanted('/a/b'), '/a/b');
  for (const value of ['', 'a/b', './x', '~/x']) assert.ok(wanted(value).endsWith('/.cache'), value);
});

test('a default cache folder that cannot be made is none; one that was chosen is an error', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  for (const home of [join(file, 'below'), '/proc/nothing', '/dev/null/x'])
    assert.equal(
      withCacheHome(home, () => usableCacheFolder(new Options([]))),
      undefined,
    );
  assert.throws(() => usableCacheFolder(new Options(['--cache-dir', join(file, 'x')])), {
    code: 'IO_FAILED',
  });
  const fine = join(folder, 'cache');
  assert.equal(
    withCacheHome(fine, () => usableCacheFolder(new Options([]))),
    join(fine, 'afterimage', 'prefixes'),
  );
});

test('an engine that cannot be had says why at each call', async () => {
  const reason = new AfterimageError('MODEL_NOT_FOUND', 'There is no model.');
  const engine = new UnavailableEngine(reason);
  await assert.rejects(engine.ready(), reason);
  await assert.rejects(engine.open().fork().ask([]), reason);
  await assert.rejects(engine.warm(), reason);
  assert.equal(engine.status().state, 'failed');
});

test('a server without its model starts, answers and ends', { timeout: 120_000 }, async () => {
  const server = spawn(process.execPath, [built(), 'mcp', '--model', '${user_config.model}'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...process.env, XDG_CACHE_HOME: '/proc/nothing' },
  });
  const said: Record<number, { result: Record<string, unknown> }> = {};
  let rest = '';
  const heard = (id: number) =>
    new Promise<Record<string, unknown>>((resolve) => {
      const look = setInterval(() => {
        if (!said[id]) return;
        clearInterval(look);
        resolve(said[id].result);
      }, 20);
    });
  server.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const message = JSON.parse(line) as { id: number; result: Record<string, unknown> };
      said[message.id] = message;
    }
  });
  const say = (message: object) => server.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } };
  say({ id: 1, method: 'initialize', params });
  await heard(1);
  say({ method: 'notifications/initialized' });
  const image = `data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==`;
  say({ id: 2, method: 'tools/call', params: { name: 'describe_image', arguments: { image } } });
  const refused = await heard(2);
  assert.ok(refused['isError']);
  assert.match(JSON.stringify(refused), /MODEL_NOT_FOUND.*user_config/);
  server.stdin.end();
  const start = performance.now();
  await ended(server);
  assert.ok(performance.now() - start < 4000);
});
