// An engine elsewhere against a server that nobody here wrote: `transformers serve` with a committed checkpoint. What it
// answers is what our own engine answers to the same messages. AFTERIMAGE_TRANSFORMERS names its program, of an environment
// with `transformers[serving]` and torch.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CompletionsEngine } from '../../src/engine/completions/completions-engine.js';
import type { Engine } from '../../src/engine/engine.js';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { pixelIdentity } from '../../src/image/key.js';
import type { ImageInput } from '../../src/image/rgb-image.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import type { Message } from '../../src/prompt/message.js';
import { scratchFolder } from '../scratch-folder.js';

const PROGRAM = process.env['AFTERIMAGE_TRANSFORMERS'];
const MODEL = new URL('../goldens/checkpoints/gemma3', import.meta.url).pathname;

function picture(seed: number): ImageInput {
  const [width, height] = [32, 32];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => ((i >> 4) * seed + i) & 255);
  const image = { width, height, data };
  return { ...pixelIdentity(image), pixels: async () => image };
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  listener.close();
  return port;
}

describe('transformers serve', { skip: PROGRAM ? false : 'AFTERIMAGE_TRANSFORMERS names no program' }, () => {
  let server: ChildProcess;
  let url: string;
  let elsewhere: Engine;
  let here: LocalEngine;

  before(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const cache = scratchFolder('hub');
    mkdirSync(join(cache, 'hub'));
    const asked = ['serve', MODEL, '--device', 'cpu', '--dtype', 'float32', '--host', '127.0.0.1'];
    server = spawn(PROGRAM!, [...asked, '--port', String(port)], {
      env: { ...process.env, HF_HOME: cache, HF_HUB_OFFLINE: '1' },
      stdio: 'ignore',
    });
    while (!(await fetch(`${url}/health`).catch(() => undefined))?.ok) {
      assert.equal(server.exitCode, null, 'the server starts');
      await sleep(200);
    }
    elsewhere = new CompletionsEngine({ urls: [url], model: MODEL });
    here = new LocalEngine({ model: MODEL, threads: 1, precision: 'exact' });
  });
  after(async () => {
    await elsewhere?.close();
    await here?.close();
    server?.kill();
  });

  const both = async (messages: Message[], maxTokens: number) =>
    Promise.all([elsewhere, here].map((engine) => engine.open().ask(messages, { maxTokens })));

  test('is known for what it is', async () => {
    const { backend, name } = await elsewhere.ready();
    assert.deepEqual([backend, name], ['OpenAI-compatible server', MODEL]);
    const gone = new CompletionsEngine({ urls: [url], model: 'nobody/none' });
    await assert.rejects(gone.ready(), { code: 'MODEL_NOT_FOUND' });
    await gone.close();
  });

  for (const seed of [3, 7, 11]) {
    test(`answers about a picture as our engine does (${seed})`, async () => {
      const messages = [systemMessage(), userMessage([picture(seed)], 'What is it?')];
      const [theirs, ours] = await both(messages, 12);
      assert.equal(theirs!.text, ours!.text);
      assert.deepEqual([theirs!.stopReason, ours!.stopReason], ['length', 'length']);
      assert.equal(theirs!.cache.prompt_tokens, ours!.cache.prompt_tokens);
    });
  }

  test('goes on with a conversation', async () => {
    const first = [systemMessage(), userMessage([picture(5)], 'What is it?')];
    const answered: Message = { role: 'assistant', content: [{ type: 'text', text: 'A box.' }] };
    const [theirs, ours] = await both([...first, answered, userMessage([picture(6)], 'And this?')], 8);
    assert.equal(theirs!.text, ours!.text);
  });

  test('an answer that is cancelled ends soon, and the next one is answered', async () => {
    const stop = new AbortController();
    const messages = [systemMessage(), userMessage([picture(9)], 'Count.')];
    const begun = performance.now();
    const cut = await elsewhere.open().ask(messages, {
      maxTokens: 2000,
      signal: stop.signal,
      onText: () => stop.abort(),
    });
    assert.equal(cut.stopReason, 'cancelled');
    assert.ok(performance.now() - begun < 20_000);
    const [theirs, ours] = await both(messages, 4);
    assert.equal(theirs!.text, ours!.text);
  });
});
