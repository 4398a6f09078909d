// A timeline through a tool and a real small model: what was seen of it is kept moment by moment, and a model that sees
// none says so.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import sharp from 'sharp';
import { checkTimeline, lookAtFrames } from '../../src/ask/look.js';
import { AfterimageError } from '../../src/errors.js';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { createImageContext } from '../../src/image/load.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import { scratchFolder } from '../scratch-folder.js';

const folder = scratchFolder('engine-timeline');
const checkpoint = (name: string): string =>
  new URL(`../goldens/checkpoints/${name}`, import.meta.url).pathname;
const files = await Promise.all(
  [10, 60, 110, 160, 210, 250].map(async (grey) => {
    const file = `${folder}/${grey}.png`;
    const background = { r: grey, g: 255 - grey, b: 90 };
    writeFileSync(
      file,
      await sharp({ create: { width: 48, height: 36, channels: 3, background } })
        .png()
        .toBuffer(),
    );
    return file;
  }),
);
const looking = {
  images: createImageContext({ folders: [folder] }),
  signal: new AbortController().signal,
} as Parameters<typeof lookAtFrames>[0];

const engines: LocalEngine[] = [];
after(() => Promise.all(engines.map((engine) => engine.close())));

function engineOf(name: string): LocalEngine {
  const engine = new LocalEngine({ model: checkpoint(name), precision: 'exact' });
  engines.push(engine);
  return engine;
}

async function asked(engine: LocalEngine, frames: string[], fps: number) {
  const pictures = await lookAtFrames(looking, frames, fps);
  const inputs = pictures.map(({ input }) => input);
  return engine.open().ask([systemMessage(), userMessage(inputs, 'What changes?')], { maxTokens: 4 });
}

for (const name of ['qwen2_vl', 'qwen2_5_vl', 'qwen3_vl', 'qwen3_5']) {
  test(`${name}: frames that are added cost only themselves, and the answer is that of a cold engine`, async () => {
    const engine = engineOf(name);
    const first = await asked(engine, files.slice(0, 4), 2);
    const longer = await asked(engine, files, 2);
    const [of, more] = [first.cache.image_tokens!, longer.cache.image_tokens!];
    assert.equal(more, (of / 2) * 3, 'a moment more');
    assert.equal(longer.cache.image_tokens_reused, of);
    const cold = await asked(engineOf(name), files, 2);
    assert.equal(cold.cache.image_tokens_reused, 0);
    assert.deepEqual(longer.tokenIds, cold.tokenIds);
  });
}

test('frames at another pace are another prompt where time is in positions or words', async () => {
  for (const name of ['qwen2_5_vl', 'qwen3_vl']) {
    const engine = engineOf(name);
    await asked(engine, files, 2);
    const slower = await asked(engine, files, 0.5);
    const cold = await asked(engineOf(name), files, 0.5);
    assert.deepEqual(slower.tokenIds, cold.tokenIds, name);
    assert.ok(slower.cache.prompt_tokens_reused! < slower.cache.prompt_tokens! - 8, name);
  }
});

test('a model that sees no timelines says so, and so does the bundled one, which never learnt from any', async () => {
  const bundled = new LocalEngine({ threads: 1 });
  engines.push(bundled);
  for (const engine of [engineOf('gemma3'), bundled])
    await assert.rejects(asked(engine, files, 2), (error: unknown) => {
      assert.ok(error instanceof AfterimageError);
      assert.equal(error.code, 'MODEL_UNSUPPORTED');
      assert.match(error.message, /no frames in time; leave fps out/);
      return true;
    });
});

test('what is of single images is refused beside fps', () => {
  checkTimeline(undefined, { page: '2' });
  checkTimeline(2, { page: undefined, reading: false });
  for (const args of [{ page: '2' }, { region: {} }, { locate: 'it' }, { reading: true }])
    assert.throws(() => checkTimeline(2, args), /is of single images and fps of a timeline/);
});
