// Changed inputs of everything that strangers write: wire messages, image references, settings, templates, tokenizers.
// Each is accepted or refused with a code, soon, and harms nobody else. Prefix files, programs and safetensors: native/fuzz;
// `npm run fuzz` runs all of them.
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
import { openCheckpoint } from '../../src/models/checkpoint/checkpoint-folder.js';
import { reading } from '../../src/models/checkpoint/plain-file.js';
import { buildModel } from '../../src/models/registry.js';
import { packageVersion } from '../../src/version.js';
import { LimitedThread, TookTooLong } from '../../src/workers/limited-thread.js';
import { checkpointFolders } from '../goldens/checkpoints.js';
import { encode, noise } from '../image/pictures.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';
import { fuzz, LIMIT_MS, type Tally } from './fuzz.js';
import { mutatedJson, mutatedText, oneOf, type Random } from './mutations.js';
import type * as work from './tokenizer-work.js';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'afterimage-fuzz-')));
after(() => rmSync(root, { recursive: true, force: true }));
const limit = { timeout: LIMIT_MS };

function seeds<T>(name: string): T[] {
  return JSON.parse(readFileSync(new URL(`seeds/${name}.json`, import.meta.url), 'utf8')) as T[];
}

function report(context: TestContext, { seed, tried, accepted }: Tally): void {
  context.diagnostic(`seed ${seed}: ${tried} inputs, ${accepted} accepted`);
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
        if (error instanceof AfterimageError && !asAnAddress(reference).includes('secret'))
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

/** Addresses are read without line ends, and with what is escaped in them. */
function asAnAddress(reference: string): string {
  return reference
    .replace(/[\t\n\r]/g, '')
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

test('settings build a model or are refused', limit, async (context) => {
  const sound = [starterFolder(), ...checkpointFolders()].map((folder) => openCheckpoint(folder));
  report(
    context,
    await fuzz({
      make(next) {
        const checkpoint = oneOf(sound, next);
        const changed = oneOf(['config', 'config', 'imageProcessor', 'generationConfig'] as const, next);
        return { ...checkpoint, [changed]: mutatedJson(checkpoint[changed], next) };
      },
      show: ({ folder, config, imageProcessor }) => JSON.stringify([folder, config, imageProcessor]),
      run(checkpoint) {
        const { processor } = buildModel(checkpoint);
        reading(checkpoint.folder, () => processor.plan(640, 480));
      },
    }),
  );
});

const TOKENIZERS = ['idefics3', 'gemma3', 'qwen3_vl', 'lfm2_vl'].map((family) =>
  readFileSync(new URL(`../prompt/fixtures/${family}/tokenizer.json`, import.meta.url), 'utf8'),
);

/** Parts of patterns, some of which never end. */
const PATTERNS = ['(a|a)*!', '(a+)+$', '(?:.*a){20}', '[^\\s]+', '\\p{L}*', '(?=.*.*x)', '{1,9999}'];
const PATTERN_MS = 2000;

test('tokenizers read and write text or are refused', limit, async (context) => {
  const folder = join(root, 'tokenizer');
  mkdirSync(folder);
  const known = [...TOKENIZERS, readFileSync(join(starterFolder(), 'tokenizer.json'), 'utf8')].map(
    (text) => JSON.parse(text) as Record<string, unknown>,
  );
  const thread = new LimitedThread<typeof work>(import.meta.url, './tokenizer-work');
  const reads = thread.job<typeof work.reads>('reads');
  const make = (next: Random): string => {
    const whole = oneOf(known, next);
    // The vocabulary is most of a tokenizer; what is done with it is most of what can go wrong.
    const part = oneOf(['added_tokens', 'normalizer', 'pre_tokenizer', 'decoder', 'model', undefined], next);
    const changed =
      part === undefined ? mutatedJson(whole, next) : { ...whole, [part]: mutatedJson(whole[part], next) };
    const text = JSON.stringify(changed);
    if (next() < 0.8) return text;
    return text.replace(/"Regex":"((?:[^"\\]|\\.)*)"/, (_, pattern: string) =>
      JSON.stringify({ Regex: mutatedText(pattern, PATTERNS, next) }).slice(1, -1),
    );
  };
  report(
    context,
    await fuzz({
      make,
      show: (text) => text,
      async run(text) {
        writeFileSync(join(folder, 'tokenizer.json'), text);
        try {
          assert.equal(typeof (await reads(folder, PATTERN_MS)), 'string');
        } catch (error) {
          if (!(error instanceof TookTooLong)) throw error;
        }
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
