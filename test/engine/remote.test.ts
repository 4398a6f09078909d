// A resident engine and its clients: what they share, how calls end, and what happens when one side goes away.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AskOptions, Engine, Session, Stage } from '../../src/engine/engine.js';
import type { ImageInput } from '../../src/image/rgb-image.js';
import type { Message } from '../../src/prompt/message.js';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { serveEngine, type EngineServer } from '../../src/engine/remote/engine-server.js';
import { starterFolder } from '../../src/engine/model-folder.js';
import { RemoteEngine } from '../../src/engine/remote/remote-engine.js';
import { socketPath } from '../../src/engine/remote/socket-file.js';
import { ASK, HELLO, TEXT, connectionOver } from '../../src/engine/remote/wire.js';
import { AfterimageError } from '../../src/errors.js';
import { createImageContext, loadImage } from '../../src/image/load.js';
import { pixelIdentity } from '../../src/image/key.js';
import { ocrQuestion, systemMessage, userMessage } from '../../src/prompt/layout.js';
import { packageVersion } from '../../src/version.js';
import { program } from '../built.js';
import { ended } from '../ended.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';
import { cancelledAnswer } from './cancelled.js';

const folder = mkdtempSync(join(tmpdir(), 'afterimage-remote-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let sockets = 0;
const freshSocket = (): string => join(folder, `${sockets++}.sock`);

/** Counts how often its pixels were asked for. */
function picture(seed: number, width = 256, height = 128): ImageInput & { asked: number } {
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => ((i >> 6) * seed + (i % 7) * 13) & 255,
  );
  const image = { width, height, data };
  const input = {
    ...pixelIdentity(image),
    asked: 0,
    pixels: async () => {
      input.asked++;
      return image;
    },
  };
  return input;
}

const question = (image: ImageInput, text = 'Describe the image.'): Message[] => [
  systemMessage(),
  userMessage([image], text),
];

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 500, 'waited ten seconds');
    await sleep(20);
  }
}

describe('a resident engine on the bundled model', () => {
  const path = freshSocket();
  const local = new LocalEngine({ threads: 2 });
  const [one, other] = [new RemoteEngine(path), new RemoteEngine(path)];
  let server: EngineServer;
  before(async () => {
    server = await serveEngine(local, path);
  });
  after(async () => {
    await Promise.all([one.close(), other.close()]);
    await server.close();
    await local.close();
  });

  test('two clients share what one of them saw', async () => {
    const image = picture(3);
    const first = await one.open().ask(question(image), { maxTokens: 12 });
    const again = picture(3);
    const second = await other.open().ask(question(again), { maxTokens: 12 });
    assert.equal(first.cache.source, 'none');
    assert.deepEqual(second.tokenIds, first.tokenIds);
    assert.equal(second.cache.image_tokens_reused, second.cache.image_tokens);
    assert.deepEqual([image.asked > 0, again.asked], [true, 0], 'pixels travel only when they are needed');
  });

  test('answers as the engine itself does, with pixels in several pieces', async () => {
    const image = picture(4, 1400, 1000);
    const remote = await one.open().ask(question(image), { maxTokens: 4 });
    const cold = new LocalEngine({ threads: 2 });
    const direct = await cold.open().ask(question(image), { maxTokens: 4 });
    await cold.close();
    assert.deepEqual(remote.tokenIds, direct.tokenIds);
    assert.deepEqual(remote.viewed, direct.viewed);
    assert.equal(image.asked, 2, 'once by each engine, however many pieces');
  });

  test('weighs choices as the engine itself does', async () => {
    const ask = (engine: Engine) =>
      engine.open().ask(question(picture(4), 'Is there a button?'), { choices: ['Yes.', 'No.', 'A chart.'] });
    const [remote, direct] = [await ask(one), await ask(local)];
    assert.equal(remote.choices?.length, 3);
    assert.deepEqual([remote.text, remote.choices], [direct.text, direct.choices]);
  });

  test('answers by a schema as the engine itself does', async () => {
    const schema = { type: 'object', properties: { button: { type: 'boolean' } }, required: ['button'] };
    const ask = (engine: Engine) =>
      engine.open().ask(question(picture(4), 'Is there a button?'), { schema, maxTokens: 24 });
    const [remote, direct] = [await ask(one), await ask(local)];
    assert.equal(typeof (JSON.parse(remote.text) as { button: unknown }).button, 'boolean');
    assert.deepEqual([remote.text, remote.whole], [direct.text, true]);
  });

  test('hands on what the answer may repeat', async () => {
    const file = join(starterFolder(), 'examples', 'error.png');
    const image = await loadImage(file, createImageContext({ folders: 'everywhere' }));
    const asked = question(image, ocrQuestion('text'));
    const plain = await one.open().ask(asked, { maxTokens: 24 });
    const guessed = await one.open().ask(asked, { maxTokens: 24, expected: plain.text });
    const repeated = await one.open().ask(asked, { maxTokens: 24, repeats: plain.tokenIds });
    const foreign = await one.open().ask(asked, { maxTokens: 24, expected: '<|im_end|> 🙂' });
    for (const { tokenIds } of [guessed, repeated, foreign]) assert.deepEqual(tokenIds, plain.tokenIds);
    await assert.rejects(one.open().ask(asked, { maxTokens: 24, repeats: [1 << 20] }), {
      code: 'INVALID_ARGUMENT',
    });
    // How many are tried follows from what runs took: a busy machine tries fewer for a while.
    let most = repeated.accepted!;
    for (let again = 0; again < 8 && most <= 16; again++) {
      const answer = await one.open().ask(asked, { maxTokens: 24, repeats: plain.tokenIds });
      assert.deepEqual(answer.tokenIds, plain.tokenIds);
      most = Math.max(most, answer.accepted!);
    }
    assert.ok(most > 16, `${most} of 23`);
    for (const { accepted } of [guessed, repeated])
      assert.ok(accepted! > (plain.accepted ?? 0), `${accepted} guesses were right of "${plain.text}"`);
  });

  test('streams text and stages', async () => {
    const stages = new Set<Stage>();
    let text = '';
    const answer = await one.open().ask(question(picture(5)), {
      maxTokens: 12,
      onText: (more) => (text += more),
      onProgress: ({ stage }) => stages.add(stage),
    });
    assert.equal(text, answer.text);
    assert.deepEqual([...stages], ['queue', 'encode', 'prefill', 'decode']);
  });

  test('a fork goes on from what its parent saw', async () => {
    const image = picture(6);
    const session = one.open();
    await session.ask(question(image), { maxTokens: 2 });
    const answer = await session.fork().ask(question(image, 'What is wrong here?'), { maxTokens: 2 });
    assert.equal(answer.cache.image_tokens_reused, answer.cache.image_tokens);
  });

  test('cancelling ends an answer with what there is', async () => {
    const answer = await cancelledAnswer((options) => {
      const cancel = new AbortController();
      const onText = () => cancel.abort();
      return one.open().ask(question(picture(7)), { ...options, signal: cancel.signal, onText });
    });
    assert.ok(answer.tokenIds.length > 0);
    const none = await one.open().ask(question(picture(8)), { signal: AbortSignal.abort() });
    assert.deepEqual([none.stopReason, none.tokenIds], ['cancelled', []]);
  });

  test('a closed session cancels its answer and takes no more', async () => {
    await cancelledAnswer((options) => {
      const session = one.open();
      return session.ask(question(picture(9)), { ...options, onText: () => session.close() });
    });
    const session = one.open();
    session.close();
    await assert.rejects(session.ask(question(picture(9))), { code: 'CLOSED' });
  });

  test('warming is done there', async () => {
    const image = picture(10);
    await one.warm([image]);
    const answer = await other.open().ask(question(image), { maxTokens: 2 });
    assert.equal(answer.cache.image_tokens_reused, answer.cache.image_tokens);
  });

  test('errors keep their code and sentence', async () => {
    const long = question(picture(11), 'word '.repeat(40_000));
    await assert.rejects(one.open().ask(long), { name: 'AfterimageError', code: 'CONTEXT_FULL' });
  });

  test('pixels that cannot be had end their question alone', async () => {
    const broken: ImageInput = { ...picture(12), pixels: () => Promise.reject(new Error('gone from disk')) };
    await assert.rejects(one.open().ask(question(broken)), /gone from disk/);
    const lost = new AfterimageError('UNKNOWN_IMAGE', 'Give its path again.');
    const forgotten: ImageInput = { ...picture(14), pixels: () => Promise.reject(lost) };
    await assert.rejects(one.open().ask(question(forgotten)), {
      code: 'UNKNOWN_IMAGE',
      message: 'Give its path again.',
    });
    const short = picture(13);
    const cut: ImageInput = { ...short, height: short.height * 2 };
    await assert.rejects(one.open().ask(question(cut)), { code: 'IMAGE_UNREADABLE' });
    assert.equal((await one.open().ask(question(short), { maxTokens: 2 })).tokenIds.length, 2);
  });

  test('the tree is that of the engine there', async () => {
    await one.open().ask(question(picture(15)), { maxTokens: 2 });
    const [here, there] = await Promise.all([local.tree(), one.tree()]);
    assert.ok(there!.branches.length > 0);
    assert.deepEqual(there, here);
    assert.equal(await new RemoteEngine(path).tree(), null, 'nothing is connected for it');
  });

  test('the status is that of the last answer', async () => {
    await one.ready();
    const { model, state, cache } = one.status();
    assert.deepEqual([model?.name, state], ['afterimage-starter', 'ready']);
    assert.ok(Object.keys(cache).length > 0);
    assert.equal(new RemoteEngine(path).status().state, 'idle');
  });
});

describe('coming and going', () => {
  async function scripted(): Promise<{
    engine: ScriptedEngine;
    server: EngineServer;
    client: Engine;
    path: string;
  }> {
    const path = freshSocket();
    const engine = new ScriptedEngine();
    return { engine, path, server: await serveEngine(engine, path), client: new RemoteEngine(path) };
  }

  test('an engine that stops ends what it was asked, and the next question reaches its successor', async () => {
    const { path, server, client } = await scripted();
    const session = client.open();
    const words = question(picture(1), 'count to 50; words take 100 ms');
    let heard: () => void;
    const begun = new Promise<void>((resolve) => (heard = resolve));
    const asked = session.ask(words, { onText: () => heard() });
    await begun;
    await Promise.all([server.close(), assert.rejects(asked, { code: 'ENGINE_UNREACHABLE' })]);
    await assert.rejects(session.ask(words), { code: 'ENGINE_UNREACHABLE', message: /afterimage serve/ });
    const successor = await serveEngine(new ScriptedEngine(), path);
    assert.equal((await session.ask(question(picture(1), 'count to 2'))).text, '1 2');
    await client.close();
    await successor.close();
  });

  test('the sessions of a client end with its connection', async () => {
    const { engine, path, server } = await scripted();
    const text = `
      import { RemoteEngine } from '../../src/engine/remote/remote-engine.ts';
      const words = [{ role: 'user', content: [{ type: 'text', text: 'count to 500; words take 50 ms' }] }];
      await new RemoteEngine(${JSON.stringify(path)}).open().ask(words, { onText: () => process.stdout.write('.') });`;
    const client = spawn(process.execPath, program(import.meta.url, text));
    const gone = ended(client).then(() => assert.fail('the client ended before it was answered'));
    await Promise.race([once(client.stdout, 'data'), gone]);
    assert.equal(engine.status().sessions, 1);
    client.kill('SIGKILL');
    await until(() => engine.status().sessions === 0 && engine.status().cache['cancelled'] === 1);
    await server.close();
  });

  test('a client that goes is missed by nobody, whatever the engine still says to it', async () => {
    // As native code does: whatever a listener throws is thrown at the whole process.
    let told = 0;
    class Talkative extends ScriptedEngine {
      override open(): Session {
        const speak = (options?: AskOptions): void => {
          const timer = setInterval(() => {
            options?.onText?.('word');
            options?.onProgress?.({ stage: 'decode', done: told });
            if (++told === 40) clearInterval(timer);
          }, 5);
        };
        return { ...super.open(), ask: (_, options) => new Promise(() => speak(options)) };
      }
    }
    const path = freshSocket();
    const server = await serveEngine(new Talkative(), path);
    const socket = createConnection(path);
    const connection = connectionOver(socket);
    connection.onNotification(TEXT.type, () => void socket.destroy());
    connection.listen();
    await connection.sendRequest(HELLO.type, { version: packageVersion() });
    const asked = { call: 1, session: 'a', images: [], messages: [], options: {} };
    void connection.sendRequest(ASK.type, asked).catch(() => {});
    await once(socket, 'close');
    await until(() => told === 40);
    await server.close();
  });

  test('closing the client ends its answers, not the engine', async () => {
    const { engine, server, client } = await scripted();
    const asked = client.open().ask(question(picture(1), 'count to 50; words take 100 ms'));
    await until(() => engine.status().sessions === 1);
    await client.close();
    assert.equal((await asked).stopReason, 'cancelled');
    await assert.rejects(client.ready(), { code: 'CLOSED' });
    assert.throws(() => client.open(), { code: 'CLOSED' });
    assert.equal(client.status().state, 'closed');
    assert.notEqual(engine.status().state, 'closed');
    await server.close();
  });

  test('an engine of another version is refused', async () => {
    const path = freshSocket();
    const old = createServer((socket) => {
      const connection = connectionOver(socket);
      connection.onRequest(HELLO.type, () => ({ version: '0.0.1' }));
      connection.listen();
    });
    old.listen(path);
    await once(old, 'listening');
    chmodSync(path, 0o600);
    const client = new RemoteEngine(path);
    await assert.rejects(client.ready(), { code: 'ENGINE_INCOMPATIBLE', message: /0\.0\.1/ });
    await client.close();
    old.close();
  });
});

describe('the socket', () => {
  test('is for its owner alone, and goes with the server', async () => {
    const path = freshSocket();
    const server = await serveEngine(new ScriptedEngine(), path);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await assert.rejects(serveEngine(new ScriptedEngine(), path), { code: 'IO_FAILED', message: /--remote/ });
    chmodSync(path, 0o666);
    await assert.rejects(new RemoteEngine(path).ready(), {
      code: 'ENGINE_UNREACHABLE',
      message: /not yours/,
    });
    await server.close();
    assert.ok(!existsSync(path));
  });

  test('of a killed engine is replaced; any other file is left alone', async () => {
    const path = freshSocket();
    const killed = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log(1))`,
    ]);
    await once(killed.stdout, 'data');
    killed.kill('SIGKILL');
    await ended(killed);
    assert.ok(existsSync(path));
    await assert.rejects(new RemoteEngine(path).ready(), { code: 'ENGINE_UNREACHABLE' });
    await (await serveEngine(new ScriptedEngine(), path)).close();
    writeFileSync(path, 'precious');
    await assert.rejects(serveEngine(new ScriptedEngine(), path), {
      code: 'IO_FAILED',
      message: /file already/,
    });
  });

  test('does not go where others may write', async () => {
    const open = mkdtempSync(join(folder, 'open-'));
    chmodSync(open, 0o777);
    await assert.rejects(serveEngine(new ScriptedEngine(), join(open, 'engine.sock')), { code: 'IO_FAILED' });
  });

  test('has a path that the system can hold', () => {
    assert.throws(() => socketPath('x'.repeat(200)), { code: 'INVALID_ARGUMENT', message: /--socket/ });
  });
});
