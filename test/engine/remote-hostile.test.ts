// Peers of a shared engine that lie, fall silent or die: what they did is theirs alone.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageConnection } from 'vscode-jsonrpc/node';
import type { Engine } from '../../src/engine/engine.js';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { serveEngine, type EngineServer } from '../../src/engine/remote/engine-server.js';
import type { GuestLimits } from '../../src/engine/remote/guest.js';
import { RemoteEngine } from '../../src/engine/remote/remote-engine.js';
import { ASK, HELLO, PIXELS, connectionOver } from '../../src/engine/remote/wire.js';
import { pixelIdentity } from '../../src/image/key.js';
import type { ImageInput } from '../../src/image/rgb-image.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import { packageVersion } from '../../src/version.js';
import { program } from '../built.js';
import { ended } from '../ended.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';

const folder = mkdtempSync(join(tmpdir(), 'afterimage-hostile-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let sockets = 0;
const freshSocket = (): string => join(folder, `${sockets++}.sock`);

function picture(seed: number, width = 64, height = 64): ImageInput {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * seed) & 255);
  const image = { width, height, data };
  return { ...pixelIdentity(image), pixels: async () => image };
}

const messages = (image: ImageInput) => [systemMessage(), userMessage([image], 'What is this?')];

/** A client whose words the tests choose. */
interface Stranger {
  socket: Socket;
  connection: MessageConnection;
}

async function stranger(path: string, greets = true): Promise<Stranger> {
  const socket = createConnection(path);
  const connection = connectionOver(socket);
  connection.onError(() => {});
  connection.onClose(() => connection.dispose());
  connection.listen();
  await once(socket, 'connect');
  if (greets) await connection.sendRequest(HELLO.type, { version: packageVersion() });
  return { socket, connection };
}

/** A question about one image, as it goes over the wire. */
const question = (image: object, call = 1) => ({
  call,
  session: `s${call}`,
  images: [image as { pixelHash: string; width: number; height: number }],
  messages: [
    {
      role: 'user' as const,
      content: [
        { type: 'image' as const, image: 0 },
        { type: 'text' as const, text: 'What is this?' },
      ],
    },
  ],
  options: {},
});

async function shared(
  work: (path: string, engine: Engine) => Promise<void>,
  limits: Partial<GuestLimits> = {},
  engine: Engine = new ScriptedEngine(),
): Promise<void> {
  const path = freshSocket();
  const server: EngineServer = await serveEngine(engine, path, () => {}, limits);
  try {
    await work(path, engine);
  } finally {
    await server.close();
    await engine.close();
  }
}

const closed = (socket: Socket): Promise<unknown> =>
  socket.destroyed ? Promise.resolve() : once(socket, 'close');

describe('what a client says', () => {
  test('an image is what it was named by, or it is refused', () =>
    shared(async (path) => {
      const [honest, liar] = [new RemoteEngine(path), new RemoteEngine(path)];
      const [real, other] = [picture(3), picture(5)];
      const forged: ImageInput = { ...real, pixels: other.pixels };
      await assert.rejects(liar.open().ask(messages(forged)), { code: 'IMAGE_UNREADABLE', message: /named/ });
      assert.equal((await honest.open().ask(messages(real))).cache.image_tokens_reused, 0);
      await Promise.all([honest.close(), liar.close()]);
    }));

  test('an image without a name, of no size or of too many pixels is refused', () =>
    shared(async (path) => {
      const { socket, connection } = await stranger(path);
      const { pixelHash } = picture(3);
      for (const image of [
        { width: 4, height: 4 },
        { pixelHash: 'x', width: 4, height: 4 },
        { pixelHash: pixelHash.toUpperCase(), width: 4, height: 4 },
        { pixelHash, width: 0, height: 4 },
        { pixelHash, width: 2.5, height: 4 },
        { pixelHash, width: 1e6, height: 1e6 },
      ]) {
        await assert.rejects(connection.sendRequest(ASK.type, question(image)), /cannot be understood/);
      }
      const nobody = { ...question({ pixelHash, width: 4, height: 4 }), images: [] };
      await assert.rejects(connection.sendRequest(ASK.type, nobody), /does not list/);
      void connection.sendRequest('ask', 7, 8, 9).catch(() => {});
      await closed(socket);
    }));

  test('nothing is heard before hello, and hello must come soon', () =>
    shared(
      async (path) => {
        const { socket, connection } = await stranger(path, false);
        await assert.rejects(connection.sendRequest(ASK.type, question(picture(3))), /same version/);
        await closed(socket);
      },
      { greetingMs: 300 },
    ));

  test('lengths are bounded before anything is kept for them', () =>
    shared(async (path) => {
      for (const text of [
        'Content-Length: 8000000000\r\n\r\n{',
        'Content-Length: 20000000\r\n\r\n{',
        `X: ${'y'.repeat(4096)}`,
        'Content-Length: 2\r\n\r\n[]',
        'Content-Length: 4\r\n\r\nnull',
        'Content-Length: -1\r\n\r\n{}',
      ]) {
        const { socket } = await stranger(path);
        socket.write(text);
        await closed(socket);
      }
    }));

  test('pixels of another form than was asked for cost nothing', () =>
    shared(async (path) => {
      for (const answer of [{ length: 1e9 }, 'AAAA', null, 'x'.repeat(16384)]) {
        const { socket, connection } = await stranger(path);
        connection.onRequest(PIXELS.type, () => answer);
        await assert.rejects(
          connection.sendRequest(ASK.type, question(picture(3))),
          /incomplete|understood|named/,
        );
        socket.destroy();
      }
    }));

  test('tokens of an answer to be continued are tokens of the model', async () => {
    const engine = new LocalEngine({ threads: 1 });
    for (const id of [1e9, -1, 0.5]) {
      const asked = engine.open().ask(messages(picture(3)), { continues: { text: 'a', tokenIds: [id] } });
      await assert.rejects(asked, { code: 'INVALID_ARGUMENT', message: /no token/ });
    }
    await engine.close();
  });
});

describe('a client that is silent', () => {
  test('is given so long for its pixels, and its question ends', () =>
    shared(
      async (path) => {
        const { socket, connection } = await stranger(path);
        connection.onRequest(PIXELS.type, () => new Promise(() => {}));
        const asked = connection.sendRequest(ASK.type, question(picture(3)));
        await assert.rejects(asked, /did not come in time/);
        socket.destroy();
      },
      { pixelsMs: 300 },
    ));

  test('holds nothing that others need', { timeout: 120_000 }, () => {
    const budgets = { kvBytes: 8 * 2 ** 20, featureBytes: 2 ** 20 };
    return shared(
      async (path) => {
        const { socket, connection } = await stranger(path);
        let asked = 0;
        connection.onRequest(PIXELS.type, () => new Promise(() => void asked++));
        for (let call = 0; call < 60; call++) {
          const image = picture(call + 10);
          void connection.sendRequest(ASK.type, question(image, call)).catch(() => {});
        }
        while (asked === 0) await sleep(20);
        const honest = new RemoteEngine(path);
        const answer = await honest.open().ask(messages(picture(7)), { maxTokens: 4 });
        assert.ok(answer.tokenIds.length > 0);
        await honest.close();
        socket.destroy();
      },
      {},
      new LocalEngine({ threads: 1, budgets }),
    );
  });
});

describe('a peer that dies', () => {
  const started = (body: string): ChildProcess => {
    const text = `import { serveEngine } from '../../src/engine/remote/engine-server.ts';
      import { RemoteEngine } from '../../src/engine/remote/remote-engine.ts';
      import { ScriptedEngine } from '../mcp/scripted-engine.ts';
      ${body}`;
    return spawn(process.execPath, program(import.meta.url, text), { stdio: ['pipe', 'pipe', 'inherit'] });
  };

  /** Milliseconds from now to its end. */
  async function timeToExit(child: ChildProcess): Promise<number> {
    const start = performance.now();
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
    const [, signal] = await ended(child);
    clearTimeout(late);
    assert.equal(signal, null, 'the process does not end');
    return performance.now() - start;
  }

  test('in the middle of a message leaves an engine that can be stopped', async () => {
    const path = freshSocket();
    const engine = started(`
      const server = await serveEngine(new ScriptedEngine(), ${JSON.stringify(path)});
      process.stdout.write('ready');
      process.stdin.once('data', () => { process.stdin.destroy(); void server.close(); });`);
    await once(engine.stdout!, 'data');
    const dying = await stranger(path);
    const silent = await stranger(path);
    dying.socket.write('Content-Length: 100\r\n\r\n{');
    silent.socket.write('Content-Length: 100\r\n\r\n{');
    await sleep(100);
    dying.socket.destroy();
    engine.stdin!.write('stop');
    assert.ok((await timeToExit(engine)) < 5000);
    silent.socket.destroy();
  });

  test('in the middle of an answer ends the question and leaves a program that ends', async () => {
    const path = freshSocket();
    const dead = createServer((socket) => {
      const connection = connectionOver(socket);
      connection.onRequest(HELLO.type, () => ({ version: packageVersion() }));
      connection.onRequest(ASK.type, () => {
        socket.end('Content-Length: 100\r\n\r\n{');
        return new Promise(() => {});
      });
      connection.listen();
    }).listen(path);
    await once(dead, 'listening');
    chmodSync(path, 0o600);
    const client = started(`
      const words = [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }];
      await new RemoteEngine(${JSON.stringify(path)}).open().ask(words).catch(({ code }) => process.stdout.write(code));`);
    const [said] = (await once(client.stdout!, 'data')) as [Buffer];
    assert.equal(String(said), 'ENGINE_UNREACHABLE');
    assert.ok((await timeToExit(client)) < 5000);
    dead.close();
  });
});
