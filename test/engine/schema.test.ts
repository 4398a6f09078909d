// Answers by a schema: every one parses and holds by it, on random weights and on the bundled model, greedy and sampled,
// with room and without; the same whatever is cached and whoever else is answered; and without a schema nothing changes.
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Validator } from '@cfworker/json-schema';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { Answer, AskOptions, Engine } from '../../src/engine/engine.js';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { AfterimageError } from '../../src/errors.js';
import { pixelIdentity } from '../../src/image/key.js';
import type { ImageInput } from '../../src/image/rgb-image.js';
import { compileSchema } from '../../src/schema/compile.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import type { Message } from '../../src/prompt/message.js';
import { Tokenizer } from '../../src/prompt/tokenizer.js';
import { readJson } from '../../src/models/checkpoint/json-file.js';
import { checkpointFolders } from '../goldens/checkpoints.js';
import { publishedSuite } from '../schema/published-suite.js';
import { randomSchema } from '../schema/random-schema.js';

const ajv = new Ajv2020({ strict: false, unicodeRegExp: true });
(addFormats as unknown as (ajv: Ajv2020) => void)(ajv);

function question(text: string, images: ImageInput[] = []): Message[] {
  return [systemMessage(), userMessage(images, text)];
}

function picture(seed: number): ImageInput {
  const image = {
    width: 56,
    height: 56,
    data: Uint8Array.from({ length: 56 * 56 * 3 }, (_, i) => (i * seed) & 255),
  };
  return { ...pixelIdentity(image), pixels: async () => image };
}

/** As little room as there may be where the first try had too little. */
async function answerBy(
  engine: Engine,
  schema: Record<string, unknown>,
  options: AskOptions,
): Promise<Answer> {
  const session = engine.open();
  try {
    return await session.ask(question('What is there?'), { ...options, schema });
  } catch (error) {
    const least = /may take (\d+) tokens/.exec((error as Error).message)?.[1];
    if (!least) throw error;
    return await session.ask(question('What is there?'), { ...options, schema, maxTokens: Number(least) });
  } finally {
    session.close();
  }
}

async function check(engine: Engine, seed: number, maxTokens: number): Promise<void> {
  const schema = randomSchema(seed);
  const answer = await answerBy(engine, schema, { maxTokens, temperature: seed % 3 === 0 ? 0 : 1, seed });
  const said = `${JSON.stringify(schema)}: ${JSON.stringify(answer.text)}`;
  assert.equal(answer.whole, true, said);
  const validate = ajv.compile(schema);
  assert.ok(validate(JSON.parse(answer.text)), `${said}: ${ajv.errorsText(validate.errors)}`);
}

async function checkAll(engine: Engine, from: number, count: number, maxTokens: number): Promise<void> {
  const atOnce = 4;
  let next = from;
  const lane = async (): Promise<void> => {
    while (next < from + count) await check(engine, next++, maxTokens);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

/** Answers by every schema of the published suite that is supported. @returns how many that are. */
async function checkSuite(engine: Engine, maxTokens: number): Promise<number> {
  let supported = 0;
  for (const [seed, { name, schema }] of publishedSuite().entries()) {
    try {
      compileSchema(schema);
    } catch (error) {
      assert.ok(error instanceof AfterimageError, String(error));
      continue;
    }
    supported++;
    const answer = await answerBy(engine, schema as Record<string, unknown>, {
      ...{ maxTokens, temperature: seed % 2, seed },
    });
    assert.equal(answer.whole, true, name);
    const value: unknown = JSON.parse(answer.text);
    assert.ok(new Validator(schema as object, '4').validate(value).valid, `${name}: ${answer.text}`);
  }
  return supported;
}

const folders = checkpointFolders();
const folder = (name: string): string => folders.find((path) => basename(path) === name)!;

/** Byte-level tokens, and pieces with bytes to fall back on. */
for (const [name, from] of [
  ['qwen2_vl', 0],
  ['gemma3', 250],
] as const) {
  test(`250 random schemas on ${name}`, async () => {
    const engine = new LocalEngine({ model: folder(name), threads: 1 });
    try {
      await checkAll(engine, from, 250, 40);
    } finally {
      await engine.close();
    }
  });

  test(`the published suite on ${name}`, async () => {
    const engine = new LocalEngine({ model: folder(name), threads: 1 });
    try {
      assert.ok((await checkSuite(engine, 40)) >= 40);
    } finally {
      await engine.close();
    }
  });
}

test('the bytes of every token are what the tokenizer makes of it', () => {
  for (const path of folders) {
    const tokenizer = Tokenizer.load(path);
    const vocab = (readJson(path, 'tokenizer.json') as { model: { vocab: Record<string, number> } }).model
      .vocab;
    const size = Object.keys(vocab).length;
    const known = tokenizer.vocabulary(size, []);
    assert.ok(known, path);
    const added = new Set(tokenizer.addedTokens.map(({ id }) => id));
    const [lead] = tokenizer.encode('x');
    for (const id of Object.values(vocab)) {
      if (id >= size) continue;
      const bytes = known.bytes.subarray(id === 0 ? 0 : known.ends[id - 1]!, known.ends[id]);
      if (added.has(id)) {
        assert.equal(bytes.length, 0, `${basename(path)} ${id}`);
        continue;
      }
      const alone = tokenizer.decode([lead!], false);
      const text = tokenizer.decode([lead!, id], false).slice(alone.length);
      if (!text.includes('\ufffd'))
        assert.equal(Buffer.from(bytes).toString(), text, `${basename(path)} ${id}`);
    }
  }
});

describe('the bundled model', () => {
  const schema = {
    type: 'object',
    properties: { open: { type: 'boolean' }, title: { type: 'string', maxLength: 30 } },
    required: ['open', 'title'],
  };
  let engine: LocalEngine;
  before(() => {
    engine = new LocalEngine({ threads: 1 });
  });
  after(() => engine.close());
  const ask = (options: AskOptions, images: ImageInput[] = [picture(7)]): Promise<Answer> =>
    engine.open().ask(question('Is a dialog open?', images), { maxTokens: 48, ...options });

  test('answers by random schemas', () => checkAll(engine, 1000, 24, 24));

  test('answers by the published suite', async () => assert.ok((await checkSuite(engine, 24)) >= 40));

  test('warm as cold, alone as beside others, with a picture', async () => {
    const cold = await ask({ schema });
    const warm = await ask({ schema });
    assert.ok(warm.cache.prompt_tokens_reused! > 0);
    const [beside, free] = await Promise.all([
      ask({ schema }),
      ask({}),
      ask({ schema: { type: 'array', items: {}, maxItems: 3 }, temperature: 1, seed: 3 }),
    ]);
    for (const again of [warm, beside]) assert.deepEqual(again.tokenIds, cold.tokenIds);
    assert.deepEqual(
      free.tokenIds,
      (await ask({})).tokenIds,
      'an answer without a schema beside them is as alone',
    );
    assert.deepEqual((await ask({})).whole, undefined);
  });

  test('an answer that is stopped is not whole, and goes on from where it was', async () => {
    const whole = await ask({ schema });
    const stop = new AbortController();
    const begun = await ask({ schema, signal: stop.signal, onText: () => stop.abort() });
    assert.deepEqual([begun.stopReason, begun.whole ?? false], ['cancelled', false]);
    const more = await ask({ schema, continues: begun });
    assert.equal(more.whole, true);
    assert.deepEqual(more.tokenIds, whole.tokenIds);
    await assert.rejects(
      ask({ schema: { type: 'null' }, continues: begun }),
      (error: AfterimageError) =>
        error.code === 'INVALID_ARGUMENT' && /does not keep to the schema/.test(error.message),
    );
  });

  test('says that it was cut where there was no room, and that there is too little', async () => {
    const list = { type: 'array', items: { type: 'string', minLength: 8 }, minItems: 1 };
    const cut = await ask({ schema: list, maxTokens: 14, temperature: 1, seed: 1 });
    assert.equal(cut.whole, true);
    assert.ok(cut.tokenIds.length <= 14);
    assert.ok(ajv.validate(list, JSON.parse(cut.text)), cut.text);
    await assert.rejects(
      ask({ schema: list, maxTokens: 3 }),
      /may take 1\d tokens but only 3 are left.*raise max_tokens/,
    );
  });

  test('an answer that runs in circles is closed', async () => {
    const circles = { type: 'array', items: { const: 1 } };
    const answer = await ask({ schema: { ...circles, minItems: 400 }, maxTokens: 1200 });
    assert.deepEqual([answer.stopReason, answer.whole], ['loop', true]);
    assert.ok(ajv.validate(circles, JSON.parse(answer.text)));
  });

  test('what no value holds by is refused', async () => {
    for (const impossible of [
      { enum: [] },
      { type: 'integer', minimum: 2, maximum: 1 },
      { allOf: [{ type: 'null' }, { type: 'string' }] },
    ])
      await assert.rejects(ask({ schema: impossible }), { code: 'INVALID_ARGUMENT', message: /No answer/ });
  });
});
