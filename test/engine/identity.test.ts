// What an image's key names: every script that makes pixels and tokens, and every byte of the weights.
import assert from 'node:assert/strict';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
  appendFileSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { starterFolder } from '../../src/engine/model-folder.js';
import { pixelIdentity } from '../../src/image/key.js';
import { WeightFiles } from '../../src/models/checkpoint/weights-content.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import { digestOf } from '../../src/script-digest.js';

/** Compiled scripts know compiled ones. */
const KIND = extname(import.meta.url);

const folder = mkdtempSync(join(tmpdir(), 'afterimage-identity-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('the scripts', () => {
  const source = fileURLToPath(new URL('../../src', import.meta.url));
  const copy = join(folder, 'src');
  cpSync(source, copy, { recursive: true });

  test('are known by their content, wherever they lie', () => {
    assert.equal(digestOf('rows', copy), digestOf('rows', source));
  });

  for (const name of ['image/resize', 'models/processors/pixels', 'prompt/tokenizer']) {
    const script = `${name}${KIND}`;
    test(`an edit of ${script} is another identity`, () => {
      const before = digestOf('rows', copy);
      const file = join(copy, script);
      const text = readFileSync(file, 'utf8');
      writeFileSync(file, text.replace('1', '2'));
      assert.notEqual(digestOf('rows', copy), before);
      writeFileSync(file, text);
      assert.equal(digestOf('rows', copy), before);
    });
  }

  test('a new one or one that is gone is another identity', () => {
    const before = digestOf('rows', copy);
    writeFileSync(join(copy, 'image', `sharper${KIND}`), '');
    assert.notEqual(digestOf('rows', copy), before);
    rmSync(join(copy, 'image', `sharper${KIND}`));
    rmSync(join(copy, 'image', `gif${KIND}`));
    assert.notEqual(digestOf('rows', copy), before);
  });
});

describe('weights', () => {
  const memory = join(folder, 'memory');
  const file = join(folder, 'weights.safetensors');
  const old = new Date(Date.now() - 3600_000);

  function write(byte: number): void {
    const data = Buffer.alloc(3 * 2 ** 20);
    data[2_000_001] = byte;
    writeFileSync(file, data);
    utimesSync(file, old, old);
  }

  test('are known by every byte, even where size and time are the same', async () => {
    write(1);
    const first = await new WeightFiles([file]).digest(memory);
    write(2);
    const second = await new WeightFiles([file]).digest(memory);
    assert.notEqual(second, first);
    write(1);
    assert.equal(await new WeightFiles([file]).digest(memory), first);
  });

  test('are read once and remembered; a damaged note is no note', async () => {
    const settled = join(folder, 'settled.safetensors');
    writeFileSync(settled, 'weights');
    await new Promise((resolve) => setTimeout(resolve, 2100));
    const digest = await new WeightFiles([settled]).digest(memory);
    const [note] = readdirSync(memory);
    const path = join(memory, note!);
    const kept = JSON.parse(readFileSync(path, 'utf8')) as { stamp: string };
    writeFileSync(path, JSON.stringify({ ...kept, hash: 'f'.repeat(64) }));
    assert.notEqual(await new WeightFiles([settled]).digest(memory), digest, 'the note is what is read');
    writeFileSync(path, '{');
    assert.equal(await new WeightFiles([settled]).digest(memory), digest);
  });

  test('that were written to, replaced or removed are noticed', () => {
    for (const change of [
      () => appendFileSync(file, 'x'),
      () => utimesSync(file, new Date(), new Date()),
      () => {
        writeFileSync(`${file}.new`, readFileSync(file));
        renameSync(`${file}.new`, file);
      },
      () => rmSync(file),
    ]) {
      write(1);
      const files = new WeightFiles([file]);
      files.check();
      change();
      assert.throws(() => files.check(), { code: 'MODEL_CHANGED', message: /restart/ });
    }
  });

  test('replaced under a running model end its answers with the reason', async () => {
    const model = join(folder, 'model');
    mkdirSync(model);
    cpSync(starterFolder(), model, { recursive: true });
    const engine = new LocalEngine({ model, threads: 1 });
    const image = { width: 64, height: 64, data: new Uint8Array(64 * 64 * 3) };
    const seen = { ...pixelIdentity(image), pixels: async () => image };
    const ask = () => engine.open().ask([systemMessage(), userMessage([seen], 'What?')], { maxTokens: 2 });
    await ask();
    const weights = join(
      model,
      readdirSync(model).find((name) => name.endsWith('.safetensors'))!,
    );
    const bytes = readFileSync(weights);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(weights, bytes);
    await assert.rejects(ask(), { code: 'MODEL_CHANGED' });
    assert.ok(statSync(weights).size > 0);
    await engine.close();
  });

  // Its embeddings are read from the file while it answers.
  test('cut short in the middle of an answer end it with the reason, and the process goes on', async () => {
    const model = join(folder, 'cut');
    cpSync(new URL('../goldens/checkpoints/qwen2_5_vl', import.meta.url), model, { recursive: true });
    const weights = readdirSync(model).filter((name) => name.endsWith('.safetensors'));
    const engine = new LocalEngine({ model, threads: 1 });
    const image = { width: 56, height: 56, data: new Uint8Array(56 * 56 * 3) };
    const seen = { ...pixelIdentity(image), pixels: async () => image };
    let cut = false;
    // A third of a second: 64 tokens are there before this thread hears of the first.
    const answer = engine.open().ask([systemMessage(), userMessage([seen], 'What?')], {
      maxTokens: 2000,
      onProgress: ({ stage }) => {
        if (cut || (stage !== 'prefill' && stage !== 'decode')) return;
        cut = true;
        for (const name of weights) truncateSync(join(model, name), 100);
      },
    });
    await assert.rejects(answer, { code: 'MODEL_CHANGED', message: /restart/ });
    assert.ok(cut);
    await engine.close();
    const anew = new LocalEngine({ model, threads: 1 });
    await assert.rejects(anew.ready(), { code: 'INVALID_CHECKPOINT' });
    await anew.close();
  });
});
