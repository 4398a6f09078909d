// One reader for all programs of a user: what they share, and that one who lies or falls silent costs the others nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { RequestType, type MessageConnection } from 'vscode-jsonrpc/node';
import { serveEngine } from '../../src/engine/remote/engine-server.js';
import type { GuestLimits } from '../../src/engine/remote/guest.js';
import { RemoteEngine } from '../../src/engine/remote/remote-engine.js';
import { HELLO, connectionOver } from '../../src/engine/remote/wire.js';
import type { ImageInput } from '../../src/image/rgb-image.js';
import { RemoteReader, readingService } from '../../src/reading/shared-reader.js';
import { TextReader } from '../../src/reading/text-reader.js';
import { packageVersion } from '../../src/version.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';
import { BarNetworks, THREE, picture } from './bars.js';

const folder = mkdtempSync(join(tmpdir(), 'afterimage-shared-reader-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let sockets = 0;
const freshSocket = (): string => join(folder, `${sockets++}.sock`);

const STATUS = { model: null, state: 'idle', sessions: 0, cache: {} };
const READ = new RequestType<object, unknown, void>('read');

/** A resident reader, and as many clients as asked for. */
async function shared(clients: number, limits: Partial<GuestLimits> = {}) {
  const path = freshSocket();
  const networks = new BarNetworks();
  const reader = new TextReader(async () => networks);
  const server = await serveEngine(new ScriptedEngine(), path, () => {}, limits, [readingService(reader)]);
  const remote = Array.from({ length: clients }, () => new RemoteReader(new RemoteEngine(path)));
  const close = async (): Promise<void> => {
    await Promise.all(remote.map((client) => client.close()));
    await server.close();
    await reader.close();
  };
  return { path, networks, reader, remote, close };
}

function counted(image: ImageInput): ImageInput & { asked: number } {
  const input = {
    ...image,
    asked: 0,
    pixels: () => {
      input.asked++;
      return image.pixels();
    },
  };
  return input;
}

async function stranger(path: string): Promise<MessageConnection> {
  const socket = createConnection(path);
  const connection = connectionOver(socket);
  connection.onError(() => {});
  connection.onClose(() => connection.dispose());
  connection.listen();
  await once(socket, 'connect');
  return connection;
}

describe('shared reader', () => {
  test('what one program had read costs the next one neither networks nor pixels', async () => {
    const { networks, remote, reader, close } = await shared(2);
    const image = picture(320, 120, THREE);
    const steps: unknown[] = [];
    const first = await remote[0]!.read(image, { onProgress: (done, total) => steps.push([done, total]) });
    assert.equal(first.lines.length, 3);
    assert.deepEqual(steps.at(-1), [3, 3]);
    const again = counted(image);
    assert.deepEqual(await remote[1]!.read(again), first);
    assert.deepEqual(await reader.read(image), first);
    assert.deepEqual([again.asked, networks.detected], [0, 1]);
    await close();
  });

  test('pixels of another picture are refused, and nothing is kept of them', async () => {
    const { networks, remote, close } = await shared(2);
    const image = picture(320, 120, THREE);
    const false_ = { ...image, pixels: picture(320, 120, []).pixels };
    await assert.rejects(remote[0]!.read(false_), { code: 'IMAGE_UNREADABLE' });
    assert.equal(networks.detected, 0);
    assert.equal((await remote[1]!.read(image)).lines.length, 3);
    await close();
  });

  test('who owes pixels holds nobody up, and is given so long for them', async () => {
    const { remote, close } = await shared(2, { pixelsMs: 1500 });
    const owing = { ...picture(64, 64, []), pixels: () => new Promise<never>(() => {}) };
    let ended = false;
    const silent = assert.rejects(remote[0]!.read(owing), { code: 'IMAGE_UNREADABLE' }).finally(() => {
      ended = true;
    });
    assert.equal((await remote[1]!.read(picture(320, 120, THREE))).lines.length, 3);
    assert.equal(ended, false);
    await silent;
    await close();
  });

  test('a call that is cancelled ends; the reader goes on', async () => {
    const { remote, close } = await shared(1);
    const stop = new AbortController();
    const owing = {
      ...picture(64, 64, []),
      pixels: () => {
        stop.abort();
        return new Promise<never>(() => {});
      },
    };
    await assert.rejects(remote[0]!.read(owing, { signal: stop.signal }), { code: 'CANCELLED' });
    assert.equal((await remote[0]!.read(picture(320, 120, THREE))).lines.length, 3);
    await close();
  });

  test('strangers, several pictures at once and pictures beyond all bounds are refused', async () => {
    const { path, networks, close } = await shared(0);
    const connection = await stranger(path);
    const { pixelHash, width, height } = picture(320, 120, THREE);
    const image = { pixelHash, width, height };
    await assert.rejects(connection.sendRequest(READ, { call: 1, images: [image] }), /says? so first/);
    await connection.sendRequest(HELLO.type, { version: packageVersion() });
    for (const images of [[], [image, image], [{ ...image, width: 2 ** 20, height: 2 ** 20 }], [{}], 'no'])
      await assert.rejects(connection.sendRequest(READ, { call: 1, images }), /cannot be understood/);
    assert.equal(networks.detected, 0);
    connection.dispose();
    await close();
  });

  test('a reading of another form is not taken for one', async () => {
    const line = {
      text: 'HH',
      confidence: 0.9,
      box: { x: 0, y: 0, width: 9, height: 9 },
      characters: [{ text: 'H', from: 0, to: 1 }],
    };
    const good = { width: 64, height: 64, lines: [line], rows: [[0]] };
    const said: unknown[] = [
      good,
      { ...good, rows: [[1]] },
      { ...good, lines: [{ ...line, confidence: 2 }] },
      { ...good, lines: [{ ...line, box: { ...line.box, width: -1 } }] },
      { ...good, lines: [{ ...line, characters: [{ text: 'H'.repeat(99), from: 0, to: 1 }] }] },
      null,
    ];
    const path = freshSocket();
    let next = 0;
    const server = createServer((socket) => {
      const connection = connectionOver(socket);
      connection.onRequest(HELLO.type, () => ({ version: packageVersion() }));
      connection.onRequest(READ, () => ({ result: said[next++], status: STATUS }));
      connection.listen();
    });
    const mask = process.umask(0o177);
    await new Promise<void>((listening) => server.listen(path, listening));
    process.umask(mask);
    const reader = new RemoteReader(new RemoteEngine(path));
    const image = picture(64, 64, []);
    assert.deepEqual(await reader.read(image), good);
    for (let i = 1; i < said.length; i++)
      await assert.rejects(reader.read(image), { code: 'ENGINE_INCOMPATIBLE' });
    await reader.close();
    server.close();
  });
});
