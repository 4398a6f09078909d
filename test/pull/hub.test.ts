import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, readdir, writeFile, mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AfterimageError } from '../../src/errors.js';
import { pull } from '../../src/pull/hub.js';

const weights = randomBytes(300_000);
const sha256 = createHash('sha256').update(weights).digest('hex');
let config = Buffer.from('{"model_type":"qwen2_vl"}');
const CONFIG_BYTES = config.length;
let commit = 'a'.repeat(40);
let cut = 0; // serve only so many bytes, once
let listed: string | undefined = sha256;
let ranges: (string | undefined)[] = [];
let endpoint = '';

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const url = request.url!;
  if (url.startsWith('/api/models/org/model/revision/')) {
    assert.ok(url.endsWith('?blobs=true'), 'the list is asked for with sizes and hashes');
    const lfs = { sha256: listed, size: weights.length, pointerSize: 134 };
    const siblings = [
      { rfilename: 'config.json', size: CONFIG_BYTES },
      { rfilename: 'model.safetensors', size: weights.length, ...(listed && { lfs }) },
      { rfilename: 'consolidated.safetensors', size: 7 },
      { rfilename: 'onnx/model.onnx', size: 7 },
      { rfilename: 'README.md', size: 7 },
    ];
    return response.end(JSON.stringify({ sha: commit, siblings }));
  }
  if (url === `/org/model/resolve/${commit}/config.json`) return void response.end(config);
  // The hub's large files come from elsewhere, whose headers say nothing of their hash.
  if (url === `/org/model/resolve/${commit}/model.safetensors`)
    return response.writeHead(302, { location: '/elsewhere/model.safetensors' }).end();
  if (url === '/elsewhere/model.safetensors') return serveWeights(request, response);
  response.writeHead(404).end();
});

function serveWeights(request: IncomingMessage, response: ServerResponse): void {
  ranges.push(request.headers.range);
  const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  response.setHeader('etag', '"41a0f56472bad33498744818c8b1ef2c-64"');
  if (start >= weights.length) return void response.writeHead(416).end();
  response.writeHead(start > 0 ? 206 : 200, { 'content-length': weights.length - start });
  if (cut === 0) return void response.end(weights.subarray(start));
  response.write(weights.subarray(start, start + cut), () => setTimeout(() => response.destroy(), 20));
  cut = 0;
}

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => server.close());

const fresh = async (): Promise<string> => {
  ranges = [];
  return join(await mkdtemp(join(tmpdir(), 'afterimage-pull-')), 'model');
};

test('downloads the wanted files of a pinned commit', async () => {
  const folder = await fresh();
  const pulled = await pull('org/model', folder, { endpoint });
  assert.deepEqual(pulled.files, ['config.json', 'model.safetensors']);
  assert.equal(pulled.commit, commit);
  assert.deepEqual(await readFile(join(folder, 'model.safetensors')), weights);
});

test('continues an interrupted file instead of starting again', async () => {
  const folder = await fresh();
  cut = 100_000;
  await pull('org/model', folder, { endpoint });
  assert.equal(ranges[0], undefined);
  assert.match(ranges[1]!, /^bytes=\d+-$/);
  assert.deepEqual(await readFile(join(folder, 'model.safetensors')), weights);
});

test('a second pull downloads nothing again', async () => {
  const folder = await fresh();
  await pull('org/model', folder, { endpoint });
  await pull('org/model', folder, { endpoint });
  assert.equal(ranges.length, 1);
});

test('a moved branch replaces the folder', async () => {
  const folder = await fresh();
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, '.revision'), 'b'.repeat(40));
  await writeFile(join(folder, 'model.safetensors'), 'of another commit');
  await pull('org/model', folder, { endpoint });
  assert.deepEqual(await readFile(join(folder, 'model.safetensors')), weights);
});

test('bytes that differ from the hub’s hash are refused and removed', async () => {
  const folder = await fresh();
  listed = 'f'.repeat(64);
  try {
    await assert.rejects(
      pull('org/model', folder, { endpoint }),
      (error: AfterimageError) => error.code === 'INVALID_CHECKPOINT',
    );
  } finally {
    listed = sha256;
  }
  assert.ok(!(await readdir(folder)).some((name) => name.startsWith('model.safetensors')));
});

test('a file that is shorter than the hub says is refused', async () => {
  const folder = await fresh();
  const whole = config;
  config = config.subarray(1);
  try {
    await assert.rejects(pull('org/model', folder, { endpoint }), {
      code: 'INVALID_CHECKPOINT',
      message: /bytes instead/,
    });
  } finally {
    config = whole;
  }
});

test('weights whose hash the hub does not name are not downloaded', async () => {
  const folder = await fresh();
  listed = undefined;
  try {
    await assert.rejects(pull('org/model', folder, { endpoint }), { code: 'URL_FAILED', message: /mirror/ });
  } finally {
    listed = sha256;
  }
  assert.deepEqual(ranges, []);
});

test('an unknown repository, a wrong name and a cancel are told apart', async () => {
  const folder = await fresh();
  await assert.rejects(
    pull('org/none', folder, { endpoint }),
    (error: AfterimageError) => error.code === 'MODEL_NOT_FOUND',
  );
  await assert.rejects(
    pull('no-slash', folder, { endpoint }),
    (error: AfterimageError) => error.code === 'INVALID_ARGUMENT',
  );
  await assert.rejects(
    pull('org/model', folder, { endpoint, signal: AbortSignal.abort() }),
    (error: AfterimageError) => error.code === 'CANCELLED',
  );
  commit = 'a'.repeat(40);
});
