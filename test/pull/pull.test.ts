import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { lstat, mkdir, readFile, readdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HubCache, sizeOf } from '../../src/pull/hub-cache.js';
import type { PullProgress } from '../../src/pull/progress.js';
import { Progress } from '../../src/pull/progress.js';
import { pull, type PullOptions, type Pulled } from '../../src/pull/pull.js';
import { at, blobId, LoopbackHub, sha256, status, type Fault } from './loopback-hub.js';
import { scratchFolder } from '../scratch-folder.js';

let hub: LoopbackHub;
let cache: string;
let home: string;
const VARIABLES = [
  'HF_TOKEN',
  'HUGGING_FACE_HUB_TOKEN',
  'HF_TOKEN_PATH',
  'HF_HOME',
  'HTTP_PROXY',
  'NO_PROXY',
];
const saved = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));

beforeEach(async () => {
  hub = await new LoopbackHub().start();
  cache = scratchFolder('pull');
  home = join(cache, 'models--org--model');
  for (const name of VARIABLES) delete process.env[name];
  process.env['HF_HOME'] = join(cache, 'no-token-here');
});
afterEach(() => {
  hub.close();
  for (const [name, value] of Object.entries(saved))
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
});

const get = (options: PullOptions = {}): Promise<Pulled> =>
  pull('org/model', { endpoint: hub.endpoint, cache, retryMs: 1, ...options });

/** Sends the first bytes of what was asked for and then closes: rudely, or as if all had come. */
const cutAfter =
  (bytes: number, rude: boolean): Fault =>
  (request, response) => {
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const piece = hub.weights.subarray(start, start + bytes);
    if (start > 0)
      response.setHeader('content-range', `bytes ${start}-${hub.weights.length - 1}/${hub.weights.length}`);
    response.writeHead(start > 0 ? 206 : 200, rude ? { 'content-length': hub.weights.length - start } : {});
    if (rude) response.write(piece, () => void afterStoring(start + bytes, response));
    else response.end(piece);
    return true;
  };

/** A cut takes with it what has not been stored yet, however long that takes here. */
async function afterStoring(bytes: number, response: ServerResponse): Promise<void> {
  const part = join(home, 'blobs', `${sha256(hub.weights)}.incomplete`);
  while (!response.destroyed && (await sizeOf(part)) !== bytes) await sleep(2);
  response.destroy();
}

describe('the layout', () => {
  test('is that of Hugging Face’s cache', async () => {
    hub.put('README.md', Buffer.from('x'));
    hub.put('onnx/model.onnx', Buffer.from('x'));
    hub.put('consolidated.safetensors', Buffer.from('x'));
    hub.put('tiktoken.model', Buffer.from('t'));
    hub.put('merges.txt', Buffer.from('m'));
    hub.put('chat_template.jinja', Buffer.from('c'));
    hub.put('additional_chat_templates/tool.jinja', Buffer.from('a'));
    const { folder, commit, files } = await get();
    assert.equal(folder, join(home, 'snapshots', commit));
    assert.deepEqual([...files].sort(), [
      'additional_chat_templates/tool.jinja',
      'chat_template.jinja',
      'config.json',
      'merges.txt',
      'model.safetensors',
      'tiktoken.model',
      'tokenizer.json',
    ]);
    assert.equal(files.at(-1), 'model.safetensors', 'weights come last');
    assert.deepEqual(await readFile(join(folder, 'model.safetensors')), hub.weights);
    assert.equal(await readlink(join(folder, 'model.safetensors')), `../../blobs/${sha256(hub.weights)}`);
    const config = hub.files.get('config.json')!.content;
    assert.equal(await readlink(join(folder, 'config.json')), `../../blobs/${blobId(config)}`);
    const nested = join(folder, 'additional_chat_templates', 'tool.jinja');
    assert.match(await readlink(nested), /^\.\.\/\.\.\/\.\.\/blobs\//);
    assert.equal(await readFile(nested, 'utf8'), 'a');
    assert.equal(await readFile(join(home, 'refs', 'main'), 'utf8'), commit);
    assert.ok(!(await readdir(join(home, 'blobs'))).some((name) => name.endsWith('.incomplete')));
  });

  test('a second pull downloads nothing again, a new commit only what is new', async () => {
    await get();
    const before = hub.requests.length;
    await get();
    assert.equal(hub.requests.length, before + 1, 'the list alone');
    hub.commit = 'b'.repeat(40);
    hub.put('tokenizer.json', Buffer.from('{"version":"2.0"}'));
    const { folder } = await get();
    assert.equal(hub.ranges.length, 1);
    assert.equal(await readFile(join(folder, 'tokenizer.json'), 'utf8'), '{"version":"2.0"}');
    assert.equal((await readdir(join(home, 'snapshots'))).length, 2);
  });

  test('a revision is asked for and remembered by its name', async () => {
    const { commit } = await get({ revision: 'refs/pr/1' });
    assert.ok(hub.requests[0]!.url.includes('/revision/refs%2Fpr%2F1?blobs=true'));
    assert.equal(await readFile(join(home, 'refs', 'refs', 'pr', '1'), 'utf8'), commit);
    await assert.rejects(get({ revision: '../../x' }), { code: 'INVALID_ARGUMENT' });
    await get({ revision: commit });
    assert.deepEqual(await readdir(join(home, 'refs')), ['refs'], 'a commit needs no name');
  });

  test('where the list names no blob, the etag does', async () => {
    hub.listsBlobIds = false;
    const { folder } = await get();
    const config = hub.files.get('config.json')!.content;
    assert.equal(await readlink(join(folder, 'config.json')), `../../blobs/${blobId(config)}`);
  });

  test('weights that the index does not name stay where they are', async () => {
    hub.put('extra.safetensors', Buffer.from('x'));
    hub.put('model.safetensors.index.json', Buffer.from('{"weight_map":{"a":"model.safetensors"}}'));
    assert.ok(!(await get()).files.includes('extra.safetensors'));
    hub.commit = 'b'.repeat(40);
    hub.put(
      'model.safetensors.index.json',
      Buffer.from('{"weight_map":{"a":"model.safetensors","b":"gone.safetensors"}}'),
    );
    await assert.rejects(get(), { code: 'INVALID_CHECKPOINT', message: /does not have/ });
  });
});

describe('before any weight', () => {
  const refused = async (config: object, message: RegExp): Promise<void> => {
    hub.put('config.json', Buffer.from(JSON.stringify(config)));
    await assert.rejects(get(), { code: 'MODEL_UNSUPPORTED', message });
    assert.deepEqual(hub.ranges, []);
  };
  test('an unsupported family is refused', () => refused({ model_type: 'bert' }, /"bert".*qwen2_vl/));
  test('a quantization that cannot be read is refused', async () => {
    for (const quant_method of ['hqq', 'aqlm', 'quanto'])
      await refused(
        { model_type: 'qwen2_vl', quantization_config: { quant_method } },
        RegExp(`${quant_method}.*such as "Qwen/Qwen2-VL-2B-Instruct"`),
      );
    await refused(
      { model_type: 'qwen2_vl', quantization_config: { quant_method: 'awq', version: 'gemv' } },
      /AWQ with version "gemv"/,
    );
  });
  test('a compressed format that cannot be read is refused', () =>
    refused(
      {
        model_type: 'kimi_k25',
        text_config: {
          quantization_config: { quant_method: 'compressed-tensors', format: 'marlin-24' },
        },
      },
      /marlin-24/,
    ));
  test('those that can be read are taken', async () => {
    for (const extra of [
      {
        quantization: { group_size: 64, bits: 4 },
        quantization_config: { group_size: 64, bits: 4, mode: 'affine' },
      },
      { quantization_config: { quant_method: 'fp8', weight_block_size: [128, 128] } },
      { quantization_config: { quant_method: 'compressed-tensors', format: 'pack-quantized' } },
      { quantization_config: { quant_method: 'gptq', bits: 4 } },
      { quantization_config: { quant_method: 'awq', bits: 4, version: 'gemm' } },
      { quantization_config: { quant_method: 'bitsandbytes', load_in_4bit: true } },
    ]) {
      hub.put('config.json', Buffer.from(JSON.stringify({ model_type: 'qwen2_vl', ...extra })));
      hub.commit = blobId(hub.files.get('config.json')!.content);
      await get();
    }
  });
  test('a tokenizer of no readable form is refused', async () => {
    hub.files.delete('tokenizer.json');
    hub.put('tokenizer.model', Buffer.from('t'));
    await assert.rejects(get(), { code: 'MODEL_UNSUPPORTED', message: /tokenizer\.json, tiktoken\.model/ });
    assert.deepEqual(hub.ranges, []);
  });

  test('weights of no readable kind are refused', async () => {
    hub.files.delete('model.safetensors');
    hub.put('pytorch_model.bin', Buffer.from('x'));
    await assert.rejects(get(), { code: 'INVALID_CHECKPOINT', message: /no \*\.safetensors/ });
  });
  test('weights whose hash the hub does not name are refused', async () => {
    hub.listsHashes = false;
    await assert.rejects(get(), { code: 'URL_FAILED', message: /mirror/ });
    assert.deepEqual(hub.ranges, []);
  });
  test('a disk with too little room is named', async () => {
    const there = new HubCache(cache, 'org/model');
    await there.make('c'.repeat(40));
    await there.requireRoom(1);
    await assert.rejects(there.requireRoom(2 ** 60), {
      code: 'IO_FAILED',
      message: /disk .* is full.* GB are free/,
    });
  });
});

describe('resuming', () => {
  for (const [kind, rude] of [
    ['a cut', true],
    ['an early clean end', false],
  ] as const)
    test(`continues after ${kind}, and after many of them`, async () => {
      for (let i = 0; i < 12; i++) hub.storageFaults.push(cutAfter(20_000, rude));
      const { folder } = await get();
      assert.equal(hub.ranges[0], undefined);
      assert.equal(hub.ranges[1], 'bytes=20000-');
      assert.equal(hub.ranges.length, 13);
      assert.deepEqual(await readFile(join(folder, 'model.safetensors')), hub.weights);
    });

  test('keeps the part when it gives up, and goes on from there', async () => {
    hub.storageFaults.push(cutAfter(50_000, false), ...Array.from({ length: 5 }, () => cutAfter(0, false)));
    await assert.rejects(get(), { code: 'URL_FAILED', message: /interrupted/ });
    const part = join(home, 'blobs', `${sha256(hub.weights)}.incomplete`);
    assert.equal((await lstat(part)).size, 50_000);
    hub.storageFaults.length = 0;
    hub.requests.length = 0;
    await get();
    assert.deepEqual(hub.ranges, ['bytes=50000-']);
  });

  test('a server that ignores the range starts the file anew', async () => {
    hub.storageFaults.push(cutAfter(50_000, true), (_, response) => {
      response.writeHead(200).end(hub.weights);
      return true;
    });
    const { folder } = await get();
    assert.deepEqual(await readFile(join(folder, 'model.safetensors')), hub.weights);
  });

  test('a whole part is not asked for again, one that is too long is thrown away', async () => {
    const part = join(home, 'blobs', `${sha256(hub.weights)}.incomplete`);
    await mkdir(join(home, 'blobs'), { recursive: true });
    await writeFile(part, hub.weights);
    await get();
    assert.deepEqual(hub.ranges, []);
    hub.put('model.safetensors', hub.weights.subarray(7));
    hub.commit = 'b'.repeat(40);
    await writeFile(join(home, 'blobs', `${sha256(hub.weights)}.incomplete`), Buffer.alloc(400_000));
    await get();
    assert.deepEqual(hub.ranges, [undefined]);
  });

  test('waits as the hub asks, for lists and for files', async () => {
    hub.hubFaults.push(status(429, { 'retry-after': '0.3' }));
    hub.storageFaults.push(status(503, { 'retry-after': new Date(Date.now() + 1500).toUTCString() }));
    const began = Date.now();
    await get({ retryMs: 60_000 });
    assert.ok(Date.now() - began >= 300);
  });

  test('asks again where a server says that it was too slow', async () => {
    hub.hubFaults.push(status(408), status(425));
    await get();
  });

  test('gives up on a hub that stays busy, or asks for hours', async () => {
    hub.hubFaults.push(status(429, { 'retry-after': '7200' }));
    await assert.rejects(get(), { code: 'URL_FAILED', message: /429/ });
    hub.hubFaults.push(...Array.from({ length: 5 }, () => status(503)));
    await assert.rejects(get(), { code: 'URL_FAILED', message: /503/ });
  });

  test('takes an address that has expired anew', async () => {
    hub.storageFaults.push(cutAfter(50_000, true), status(403, {}, '<Error>Request has expired</Error>'));
    await get();
    assert.deepEqual(hub.ranges, [undefined, 'bytes=50000-', 'bytes=50000-']);
    const addresses = hub.requests.filter(({ where }) => where === 'storage').map(({ url }) => url);
    assert.equal(new Set(addresses).size, 3);
  });
});

describe('what arrives', () => {
  const large = (): string => join(home, 'blobs', sha256(hub.weights));
  test('must have the hub’s hash', async () => {
    hub.put('model.safetensors', hub.weights, Buffer.from(hub.weights).fill(0, 5, 900));
    await assert.rejects(get(), { code: 'INVALID_CHECKPOINT', message: /SHA-256/ });
    assert.ok(!existsSync(large()) && !existsSync(`${large()}.incomplete`));
  });
  test('must have git’s hash where it is small', async () => {
    hub.put('tokenizer.json', Buffer.from('{"a":1}'), Buffer.from('{"a":2}'));
    await assert.rejects(get(), { code: 'INVALID_CHECKPOINT', message: /"tokenizer.json".*SHA-1/ });
  });
  test('must not be longer than listed', async () => {
    hub.put('model.safetensors', hub.weights, Buffer.concat([hub.weights, Buffer.from('more')]));
    await assert.rejects(get(), { code: 'INVALID_CHECKPOINT', message: /more than 300000 bytes/ });
    assert.ok(!existsSync(`${large()}.incomplete`));
  });
});

describe('a disk', () => {
  const full = existsSync('/dev/full') ? false : 'no /dev/full';
  test('that is full while the file comes is named', { skip: full }, async () => {
    await mkdir(join(home, 'blobs'), { recursive: true });
    await symlink('/dev/full', join(home, 'blobs', `${sha256(hub.weights)}.incomplete`));
    await assert.rejects(get(), { code: 'IO_FAILED', message: /disk is full.*again/ });
    assert.equal(hub.ranges.length, 1, 'and nothing is tried again');
  });
  test('that cannot be written is named', async () => {
    const file = join(cache, 'file');
    await writeFile(file, '');
    await assert.rejects(get({ cache: file }), { code: 'IO_FAILED', message: /HF_HUB_CACHE/ });
  });
});

describe('the token', () => {
  const tokens = (where: string): (string | undefined)[] => [
    ...new Set(hub.requests.filter((request) => request.where === where).map(({ token }) => token)),
  ];
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'])
    test(`of ${name} is shown to the hub and to nobody else`, async () => {
      process.env[name] = 'hf_secret';
      await get();
      assert.deepEqual(tokens('hub'), ['Bearer hf_secret']);
      assert.deepEqual(tokens('storage'), [undefined]);
    });
  test('may lie in $HF_HOME', async () => {
    process.env['HF_HOME'] = cache;
    await writeFile(join(cache, 'token'), 'hf_filed\n');
    await get();
    assert.deepEqual(tokens('hub'), ['Bearer hf_filed']);
  });
});

describe('refusals', () => {
  test('a gated model’s own sentence is passed on', async () => {
    const sentence =
      'Access to model org/model is restricted. You must have access to it and be authenticated.';
    hub.hubFaults.push(status(401, { 'x-error-code': 'GatedRepo', 'x-error-message': sentence }));
    await assert.rejects(get(), { code: 'MODEL_NOT_FOUND', message: /is restricted\. You must.*HF_TOKEN/ });
    const gated = status(
      403,
      { 'content-type': 'application/json' },
      '{"error":"Your request awaits \\u001b[31m a review"}',
    );
    hub.hubFaults.push(at('/resolve/', gated));
    await assert.rejects(get(), { code: 'MODEL_NOT_FOUND', message: /^[^\x1b]*awaits \[31m a review/ });
  });

  test('an unknown repository, a wrong name and a cancel are told apart', async () => {
    await assert.rejects(pull('org/none', { endpoint: hub.endpoint, cache }), { code: 'MODEL_NOT_FOUND' });
    for (const name of ['no-slash', '../..', 'org/..', 'a/b/c', ''])
      await assert.rejects(pull(name, { endpoint: hub.endpoint, cache }), { code: 'INVALID_ARGUMENT' });
    await assert.rejects(get({ signal: AbortSignal.abort() }), { code: 'CANCELLED' });
    await assert.rejects(get({ endpoint: 'ftp://x' }), { code: 'INVALID_ARGUMENT' });
  });

  test('a cancel while it runs keeps the part', async () => {
    const stop = new AbortController();
    hub.storageFaults.push((_, response) => {
      response.writeHead(200).write(hub.weights.subarray(0, 1000), () => setTimeout(() => stop.abort(), 50));
      return true;
    });
    await assert.rejects(get({ signal: stop.signal }), { code: 'CANCELLED' });
    assert.equal((await lstat(join(home, 'blobs', `${sha256(hub.weights)}.incomplete`))).size, 1000);
  });

  test('two pulls never write into one part; a dead one’s lock is taken over', async () => {
    const unlock = await new HubCache(cache, 'org/model').lock();
    await assert.rejects(get(), { code: 'IO_FAILED', message: RegExp(`process ${process.pid} on`) });
    await unlock();
    const lock = join(cache, '.locks', 'models--org--model', 'afterimage-pull.lock');
    await writeFile(lock, `999999999 ${hostname()}`);
    await get();
    assert.ok(!existsSync(lock));
    await writeFile(lock, '1 another-machine');
    await assert.rejects(get(), { code: 'IO_FAILED', message: /another-machine/ });
  });
});

test('goes through the proxy of the environment, unless it is left out', async () => {
  let tunnels = 0;
  const sockets = new Set<Socket>();
  const proxy = createServer().on('connect', ({ url }, client: Socket) => {
    tunnels++;
    const [host, port] = url!.split(':');
    const target = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    for (const socket of [client, target]) sockets.add(socket.on('error', () => socket.destroy()));
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  try {
    process.env['HTTP_PROXY'] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    await get();
    const through = tunnels;
    assert.ok(through > 0);
    process.env['NO_PROXY'] = '127.0.0.1';
    hub.commit = 'b'.repeat(40);
    await get();
    assert.equal(tunnels, through);
  } finally {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  }
});

test('progress counts all files, tells the rate of late and the time left', async () => {
  const seen: PullProgress[] = [];
  await get({ onProgress: (progress) => seen.push(progress) });
  const total = [...hub.files.values()].reduce((sum, { content }) => sum + content.length, 0);
  assert.deepEqual([seen.at(-1)!.doneBytes, seen.at(-1)!.totalBytes], [total, total]);
  let now = 0;
  const progress = new Progress(1000, () => now);
  assert.equal(progress.at('a', 100).bytesPerSecond, undefined);
  now = 2000;
  assert.deepEqual(progress.at('a', 300), {
    file: 'a',
    doneBytes: 300,
    totalBytes: 1000,
    bytesPerSecond: 100,
    secondsLeft: 7,
  });
  progress.finish(300);
  assert.equal(progress.at('b', 500).bytesPerSecond, undefined, 'what was there before is not the rate');
});
