// Sessions and the engine through their lives: close, cancel, fork, two at once, worker threads.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Answer, KeptBranch } from '../../src/engine/engine.js';
import type { ImageInput } from '../../src/image/rgb-image.js';
import type { Message } from '../../src/prompt/message.js';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { AfterimageError } from '../../src/errors.js';
import type { RgbImage } from '../../src/image/rgb-image.js';
import { imageIdOf, pixelIdentity } from '../../src/image/key.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import { cancelledAnswer } from './cancelled.js';

function picture(seed: number, width = 256, height = 128): ImageInput {
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => ((i >> 6) * seed + (i % 7) * 13) & 255,
  );
  const image: RgbImage = { width, height, data };
  return { ...pixelIdentity(image), pixels: async () => image };
}

const question = (image: ImageInput, text = 'Describe the image.'): Message[] => [
  systemMessage(),
  userMessage([image], text),
];
const open = (): LocalEngine => new LocalEngine({ threads: 2 });
const code = (wanted: string) => (error: unknown) =>
  error instanceof AfterimageError && error.code === wanted;

describe('one engine', () => {
  let engine: LocalEngine;
  before(async () => {
    engine = open();
    await engine.ready();
  });
  after(() => engine.close());

  test('answers the same again, and reuses what it saw', async () => {
    const image = picture(3);
    const first = await engine.open().ask(question(image), { maxTokens: 12 });
    const second = await engine.open().ask(question(image), { maxTokens: 12 });
    assert.equal(first.cache.source, 'none');
    assert.deepEqual(second.tokenIds, first.tokenIds);
    assert.equal(second.cache.image_tokens_reused, second.cache.image_tokens);
    assert.equal(second.cache.prompt_tokens_reused, second.cache.prompt_tokens! - 1);
    assert.equal(second.cache.encode_ms, 0);
  });

  test('its tree names the pictures that it holds, and no other', async () => {
    const image = picture(4);
    const holds = async (): Promise<KeptBranch[]> => (await engine.tree())!.branches;
    const id = imageIdOf(image.pixelHash);
    assert.ok(!(await holds()).some(({ images }) => images.includes(id)));
    const { cache } = await engine.open().ask(question(image), { maxTokens: 2 });
    const branches = await holds();
    const branch = branches.find(({ images }) => images.includes(id))!;
    assert.ok(branch.tokens >= cache.image_tokens! && branch.bytes > 0 && branch.where !== 'disk');
    for (const [index, { parent }] of branches.entries()) assert.ok(parent === undefined || parent < index);
    assert.equal(await open().tree(), null, 'nothing is loaded for it');
  });

  test('its tree tells what memory and files hold, what files hold alone, and whose pictures they are', async () => {
    const cacheFolder = mkdtempSync(join(tmpdir(), 'afterimage-tree-'));
    const image = picture(10);
    const held = async (asked?: ImageInput): Promise<[KeptBranch | undefined, Answer | undefined]> => {
      const one = new LocalEngine({ threads: 2, cacheFolder });
      try {
        await one.ready();
        const answer = asked && (await one.open().ask(question(asked), { maxTokens: 2 }));
        const { branches } = (await one.tree())!;
        return [branches.find(({ images }) => images.includes(imageIdOf(image.pixelHash))), answer];
      } finally {
        await one.close(); // what is on its way to the disk arrives
      }
    };
    try {
      await held(image);
      const [alone] = await held();
      assert.equal(alone!.where, 'disk', 'after a restart nothing is in memory');
      assert.ok(alone!.parent === undefined && alone!.bytes > 0);
      const [both, answer] = await held(image);
      assert.deepEqual([both!.where, answer!.cache.source], ['both', 'disk']);
      assert.equal(alone!.tokens, answer!.cache.prompt_tokens_reused);
    } finally {
      rmSync(cacheFolder, { recursive: true, force: true });
    }
  });

  test('another picture of the same size is another picture', async () => {
    await engine.open().ask(question(picture(5)), { maxTokens: 2 });
    const other = await engine.open().ask(question(picture(6)), { maxTokens: 2 });
    assert.equal(other.cache.image_tokens_reused, 0);
  });

  test('a cancelled question ends soon, and the next one is answered', async () => {
    const session = engine.open();
    const image = picture(7);
    await cancelledAnswer((options) => {
      const cancel = new AbortController();
      const onText = () => cancel.abort();
      return session.ask(question(image), { ...options, signal: cancel.signal, onText });
    });
    const next = await session.ask(question(image), { maxTokens: 3 });
    assert.equal(next.cache.image_tokens_reused, next.cache.image_tokens);
  });

  test('a signal that is aborted already asks nothing', async () => {
    const answer = await engine.open().ask(question(picture(8)), { signal: AbortSignal.abort() });
    assert.equal(answer.stopReason, 'cancelled');
    assert.deepEqual(answer.tokenIds, []);
  });

  test('a cancelled answer holds what there was of it, and goes on where it stopped', async () => {
    const asked = question(picture(9));
    const whole = await engine.open().ask(asked, { maxTokens: 60 });
    const session = engine.open();
    const cancel = new AbortController();
    const cut = await session.ask(asked, {
      maxTokens: 60,
      signal: cancel.signal,
      onText: () => cancel.abort(),
    });
    assert.ok(cut.tokenIds.length > 0);
    assert.equal(cut.viewed.length, 1);
    const left = 60 - cut.tokenIds.length;
    const rest = left > 0 ? await session.ask(asked, { maxTokens: left, continues: cut }) : cut;
    assert.deepEqual(rest.tokenIds, whole.tokenIds);
    assert.equal(rest.text, whole.text);
  });

  test('a stop string ends the answer and is not part of it', async () => {
    const image = picture(3);
    const whole = await engine.open().ask(question(image), { maxTokens: 12 });
    const stop = whole.text.slice(3, 6);
    const cut = await engine.open().ask(question(image), { maxTokens: 12, stop: [stop] });
    assert.equal(cut.stopReason, 'stop');
    assert.equal(cut.text, whole.text.slice(0, whole.text.indexOf(stop)));
  });

  test('streamed text is the answer', async () => {
    let streamed = '';
    const answer = await engine
      .open()
      .ask(question(picture(10)), { maxTokens: 20, onText: (text) => (streamed += text) });
    assert.equal(streamed, answer.text);
  });

  test('a fork shares what its parent saw', async () => {
    const parent = engine.open();
    const image = picture(11);
    await parent.ask(question(image), { maxTokens: 2 });
    const fork = await parent.fork().ask(question(image, 'Read the text.'), { maxTokens: 2 });
    assert.equal(fork.cache.image_tokens_reused, fork.cache.image_tokens);
  });

  test('a warmed picture is seen before the first question', async () => {
    const image = picture(12);
    await engine.warm([image]);
    const answer = await engine.open().ask(question(image), { maxTokens: 2 });
    assert.equal(answer.cache.image_tokens_reused, answer.cache.image_tokens);
    assert.equal(answer.cache.source, 'memory');
  });

  test('questions at the same time get the answers they get alone', async () => {
    const pictures = [13, 14, 15].map((seed) => picture(seed));
    const together = await Promise.all(
      pictures.map((image) => engine.open().ask(question(image), { maxTokens: 10 })),
    );
    const fresh = open();
    try {
      for (const [i, image] of pictures.entries()) {
        const alone: Answer = await fresh.open().ask(question(image), { maxTokens: 10 });
        assert.deepEqual(together[i]!.tokenIds, alone.tokenIds);
      }
    } finally {
      await fresh.close();
    }
  });

  test('a closed session says so', async () => {
    const session = engine.open();
    session.close();
    session.close();
    await assert.rejects(session.ask(question(picture(1))), code('CLOSED'));
  });

  test('pixels that cannot be read fail the question and nothing else', async () => {
    const broken: ImageInput = {
      ...picture(16),
      pixels: () => Promise.reject(new AfterimageError('IMAGE_UNREADABLE', 'Gone.')),
    };
    await assert.rejects(engine.open().ask(question(broken)), code('IMAGE_UNREADABLE'));
    const answer = await engine.open().ask(question(picture(17)), { maxTokens: 1 });
    assert.equal(answer.tokenIds.length, 1);
  });
});

test('closing while an answer is generated ends it', async () => {
  const engines: LocalEngine[] = [];
  await cancelledAnswer((options) => {
    const engine = open();
    engines.push(engine);
    return engine.open().ask(question(picture(2)), { ...options, onText: () => void engine.close() });
  });
  for (const engine of engines) {
    await engine.close();
    await assert.rejects(engine.ready(), code('CLOSED'));
    assert.throws(() => engine.open(), code('CLOSED'));
  }
});

test('closing ends the answer of a fork as it does its parent’s', async () => {
  await cancelledAnswer(async (options) => {
    const engine = open();
    const fork = engine.open().fork();
    assert.equal(engine.status().sessions, 2);
    const answer = await fork.ask(question(picture(2)), { ...options, onText: () => void engine.close() });
    await engine.close();
    return answer;
  });
});

test('a question that was given up before the load fails is missed by nobody', async () => {
  const engine = open();
  const answer = await engine.open().ask(question(picture(2)), { signal: AbortSignal.abort() });
  assert.equal(answer.stopReason, 'cancelled');
  // Ends the load that it began; nobody waits for it any more.
  await engine.close();
});

test('closing while the model loads', async () => {
  const engine = open();
  const ready = engine.ready();
  ready.catch(() => {});
  await engine.close();
  await assert.rejects(ready, code('CLOSED'));
});

test('memory that cannot suffice is refused with advice', async () => {
  const engine = new LocalEngine({
    threads: 1,
    budgets: { kvBytes: 1 << 16, featureBytes: 1 << 24, scratchBytes: 1 << 30 },
  });
  try {
    await assert.rejects(
      engine.open().ask(question(picture(4, 1024, 1024))),
      (error) => code('OUT_OF_MEMORY')(error) && /image|KV|pixels/i.test((error as Error).message),
    );
  } finally {
    await engine.close();
  }
});

test(
  'two worker threads load and answer, and one is terminated in mid-answer',
  { timeout: 60_000 },
  async () => {
    const run = (terminate: boolean): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const worker = new Worker(new URL('./worker.mjs', import.meta.url), { workerData: { terminate } });
        worker.once('message', (message) =>
          terminate ? void worker.terminate().then(() => resolve('terminated')) : resolve(message),
        );
        worker.once('error', reject);
      });
    const [answer, ended] = await Promise.all([run(false), run(true)]);
    assert.equal(typeof answer, 'number');
    assert.equal(ended, 'terminated');
  },
);
