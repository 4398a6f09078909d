// Families that cut a large picture into tiles, each seen by the encoder alone: a picture that changed in a corner costs
// the tiles in which it did, and the answer is that of an engine that saw nothing before.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../../src/engine/engine.js';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { pixelIdentity } from '../../src/image/key.js';
import type { ImageInput, RgbImage } from '../../src/image/rgb-image.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';
import { join } from 'node:path';

const WIDTH = 192;
const HEIGHT = 96;
const TILED = ['gemma3', 'idefics3', 'internvl', 'lfm2_vl', 'llava_next', 'minicpmv4_6', 'smolvlm'];
/** Of these the picture as a whole comes behind its tiles, and no token sees one behind it: what the first ones left holds. */
const WHOLE_LAST = ['idefics3', 'internvl', 'smolvlm'];
/** Their encoders see a picture whole. */
const WHOLE = ['qwen2_5_vl', 'qwen3_vl', 'mistral3', 'paligemma'];

/** Noise, and in its lower right corner a box of one grey. */
function screen(grey: number): ImageInput {
  const data = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let i = 0; i < data.length; i++) data[i] = (Math.imul(i, 2654435761) >>> 11) & 255;
  for (let y = HEIGHT - 12; y < HEIGHT; y++)
    data.fill(grey, (y * WIDTH + WIDTH - 12) * 3, (y + 1) * WIDTH * 3);
  const image: RgbImage = { width: WIDTH, height: HEIGHT, data };
  return { ...pixelIdentity(image), pixels: async () => image };
}

async function looks(name: string, screens: ImageInput[]): Promise<Answer[]> {
  const engine = new LocalEngine({ model: join(CHECKPOINTS, name), threads: 1 });
  try {
    await engine.ready();
    const answers: Answer[] = [];
    for (const image of screens) {
      const messages = [systemMessage(), userMessage([image], 'Describe the image.')];
      answers.push(await engine.open().ask(messages, { choices: ['yes', 'no', 'a dark screen'] }));
    }
    return answers;
  } finally {
    await engine.close();
  }
}

for (const name of TILED) {
  test(`${name}: only the tiles that changed are encoded`, async () => {
    const [first, second] = await looks(name, [screen(0), screen(255)]);
    const [cold] = await looks(name, [screen(255)]);
    assert.deepEqual(second!.choices, cold!.choices);
    assert.notDeepEqual(second!.choices, first!.choices);
    assert.equal(first!.cache.tiles_reused, 0);
    assert.equal(second!.cache.tiles, first!.cache.tiles);
    const { tiles = 0, tiles_reused: reused = 0 } = second!.cache;
    assert.ok(reused > 0 && reused < tiles, `${reused} of ${tiles}`);
    const { image_tokens: tokens = 0, image_tokens_reused: before = 0 } = second!.cache;
    assert.equal(before > 0, WHOLE_LAST.includes(name), `${before} of ${tokens}`);
    assert.ok(before < tokens);
  });
}

for (const name of WHOLE) {
  test(`${name} has no tiles`, async () => {
    const [first, second] = await looks(name, [screen(0), screen(255)]);
    assert.equal(first!.cache.tiles, undefined);
    assert.equal(second!.cache.tiles, undefined);
  });
}
