// Changed inputs of everything that strangers write: wire messages, image references, templates, tokenizers. Each is
// accepted or refused with a code, soon, and harms nobody else. Prefix files, programs and safetensors: native/fuzz.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { RemoteEngine } from '../../src/engine/remote/remote-engine.js';
import { serveEngine } from '../../src/engine/remote/engine-server.js';
import { starterFolder } from '../../src/engine/model-folder.js';
import { AfterimageError } from '../../src/errors.js';
import { pixelIdentity } from '../../src/image/key.js';
import { createImageContext, loadImage } from '../../src/image/load.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import { TemplateThread } from '../../src/prompt/template-thread.js';
import { Tokenizer } from '../../src/prompt/tokenizer.js';
import { packageVersion } from '../../src/version.js';
import { encode, noise } from '../image/pictures.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';
import { fuzz, SECONDS } from './fuzz.js';
import { mutatedJson, mutatedText, oneOf, type Random } from './mutations.js';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'afterimage-fuzz-')));
after(() => rmSync(root, { recursive: true, force: true }));
const limit = { timeout: SECONDS * 1000 + 120_000 };

function seeds<T>(name: string): T[] {
  return JSON.parse(readFileSync(new URL(`seeds/${name}.json`, import.meta.url), 'utf8')) as T[];
}

function report(context: TestContext, { tried, accepted }: { tried: number; accepted: number }): void {
  context.diagnostic(`${tried} inputs, ${accepted} accepted`);
  assert.ok(tried > 0);
}

test('references lead nowhere but into the allowed folders', limit, async (context) => {
  const allowed = join(root, 'allowed');
  for (const folder of ['allowed/sub', 'allowed-not', 'outside'])
    mkdirSync(join(root, folder), { recursive: true });
  const open = await encode(noise(16, 12), 'png');
  const secret = await encode(noise(13, 17), 'png');
  for (const name of ['picture.png', 'sub/a b.png']) writeFileSync(join(allowed, name), open);
  for (const name of ['allowed-not/picture.png', 'outside/secret.png'])
    writeFileSync(join(root, name), secret);
  symlinkSync(join(root, 'outside/secret.png'), join(allowed, 'link-out.png'));
  symlinkSync(join(root, 'outside'), join(allowed, 'folder-out'));
  symlinkSync('picture.png', join(allowed, 'link-in.png'));
  execFileSync('mkfifo', [join(allowed, 'pipe.png')]);
  const references = seeds<string>('references').map((text) => text.replaceAll('TOP', root));
  const images = createImageContext({ folders: [allowed] });
  const found = await fuzz({
    make: (next) =>
      next() < 0.05 ? oneOf(references, next) : mutatedText(oneOf(references, next), references, next),
    show: (reference) => JSON.stringify(reference),
    async run(reference) {
      try {
        const { width } = await loadImage(reference, images);
        assert.notEqual(width, 13, 'a picture from outside');
      } catch (error) {
        if (error instanceof AfterimageError && !reference.includes('secret'))
          assert.doesNotMatch(error.message, /secret/, 'the target of a link');
        throw error;
      }
    },
  });
  report(context, found);
  assert.ok(found.accepted > 0);
});

test('templates render or are refused', limit, async (context) => {
  const sources = seeds<string>('templates');
  const content = [{ type: 'image' as const }, { type: 'text' as const, text: 'What is <this> {{ x }}?' }];
  const wanted = [{ messages: [{ role: 'user', content }], addGenerationPrompt: true }] as never;
  report(
    context,
    await fuzz({
      make: (next) => mutatedText(oneOf(sources, next), sources, next),
      show: (source) => source,
      async run(source) {
        const template = await TemplateThread.open({
          source,
          placeholder: '<image>',
          tokens: { bos_token: '<s>' },
        });
        const [text] = await template.render(wanted);
        assert.equal(typeof text, 'string');
      },
    }),
  );
});

const TOKENIZERS = ['idefics3', 'gemma3', 'qwen3_vl', 'lfm2_vl'].map((family) =>
  readFileSync(new URL(`../prompt/fixtures/${family}/tokenizer.json`, import.meta.url), 'utf8'),
);

test('tokenizers read and write text or are refused', limit, async (context) => {
  const folder = join(root, 'tokenizer');
  mkdirSync(folder);
  const known = [...TOKENIZERS, readFileSync(join(starterFolder(), 'tokenizer.json'), 'utf8')].map(
    (text) => JSON.parse(text) as Record<string, unknown>,
  );
  const make = (next: Random): string => {
    const whole = oneOf(known, next);
    // The vocabulary is most of a tokenizer; what is done with it is most of what can go wrong.
    const part = oneOf(['added_tokens', 'normalizer', 'pre_tokenizer', 'decoder', 'model', undefined], next);
    const changed =
      part === undefined ? mutatedJson(whole, next) : { ...whole, [part]: mutatedJson(whole[part], next) };
    return JSON.stringify(changed);
  };
  report(
    context,
    await fuzz({
      make,
      show: (text) => text,
      run(text) {
        writeFileSync(join(folder, 'tokenizer.json'), text);
        const tokenizer = Tokenizer.load(folder);
        const ids = tokenizer.encode('Hello  wörld 漢字 🙂\n<image> 1234');
        assert.equal(typeof tokenizer.decode(ids), 'string');
      },
    }),
  );
});

/** Frames of a conversation, some of them changed in what they say, some in their bytes. */
function frames(next: Random, known: unknown[]): Buffer {
  const texts = Array.from({ length: 1 + Math.floor(next() * 5) }, (_, i) => {
    const message = i === 0 && next() < 0.8 ? known[0] : oneOf(known, next);
    const said = JSON.stringify(next() < 0.5 ? message : mutatedJson(message, next));
    return `Content-Length: ${Buffer.byteLength(said)}\r\n\r\n${said}`;
  });
  const whole = texts.join('');
  return Buffer.from(next() < 0.5 ? whole : mutatedText(whole, texts, next));
}

test('wire messages are answered or end their own connection', limit, async (context) => {
  const socketFile = join(root, 's.sock');
  const server = await serveEngine(new ScriptedEngine(), socketFile, () => {}, {
    greetingMs: 1000,
    pixelsMs: 500,
  });
  const image = { width: 8, height: 8, data: new Uint8Array(192).fill(9) };
  const picture = { ...pixelIdentity(image), pixels: async () => image };
  const known = JSON.parse(
    JSON.stringify(seeds('wire')).replaceAll('VERSION', packageVersion()),
  ) as unknown[];
  const found = await fuzz({
    make: (next) => ({ bytes: frames(next, known), cut: next() }),
    show: ({ bytes }) => bytes.toString(),
    async run({ bytes, cut }) {
      const socket = createConnection(socketFile);
      const closed = once(socket, 'close');
      socket.on('error', () => {}).resume();
      await once(socket, 'connect');
      const at = Math.floor(cut * bytes.length);
      socket.write(bytes.subarray(0, at));
      socket.end(bytes.subarray(at));
      if (cut < 0.2) socket.destroy();
      await closed;
    },
  });
  report(context, found);
  const honest = new RemoteEngine(socketFile);
  const answer = await honest
    .open()
    .ask([systemMessage(), userMessage([picture], 'What?')], { maxTokens: 2 });
  assert.ok(answer.text.length > 0);
  await honest.close();
  await server.close();
});
