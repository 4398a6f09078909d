// No legal call makes the event loop stand still: what takes long happens in worker threads. AFTERIMAGE_LOOP_ROUNDS=20
// repeats the load. A machine that others use as well is late even when idle, so the bound is relative to what a single
// comparison takes where it is made in this thread; on a quiet machine AFTERIMAGE_LOOP_MS=20 is the figure to keep.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { compare } from '../../src/image/diff-work.js';
import { diffImages } from '../../src/image/diff.js';
import { createImageContext, cropImage, loadImage } from '../../src/image/load.js';
import { thumbnail } from '../../src/image/pixel-jobs.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';

const ROUNDS = Number(process.env['AFTERIMAGE_LOOP_ROUNDS'] ?? 1);
const LONGEST_MS = process.env['AFTERIMAGE_LOOP_MS'];
/** Of the time that one comparison would block. */
const MOST_SHARE = 1 / 4;
const folder = mkdtempSync(join(tmpdir(), 'afterimage-loop-'));
const photo = join(folder, 'photo.jpg');
const screens = [join(folder, 'a.png'), join(folder, 'b.png')] as const;

before(async () => {
  const noise = {
    create: {
      width: 4000,
      height: 3000,
      channels: 3 as const,
      background: '#456',
      noise: { type: 'gaussian' as const, mean: 128, sigma: 40 },
    },
  };
  writeFileSync(photo, await sharp(noise).jpeg().toBuffer());
  for (const [i, screen] of screens.entries()) {
    const page = sharp({ create: { width: 5000, height: 4000, channels: 3, background: '#fff' } });
    const mark = { create: { width: 900, height: 700, channels: 3 as const, background: '#a00' } };
    writeFileSync(
      screen,
      await page
        .composite([{ input: mark, left: 400 * i, top: 300 }])
        .png()
        .toBuffer(),
    );
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** The longest time in milliseconds that the loop stood still during the work. */
async function longestPause(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await sleep(5);
  await work();
  await sleep(5);
  delay.disable();
  return delay.max / 1e6;
}

test(
  'the event loop goes on under photographs, comparisons, crops and questions',
  { timeout: 600_000 },
  async () => {
    const engine = new LocalEngine({ threads: 1 });
    const first = createImageContext({ folders: 'everywhere' });
    // Threads, libraries and the model are there before anything is measured.
    const small = await loadImage(screens[0], first);
    await engine.open().ask([systemMessage(), userMessage([small], 'What?')], { maxTokens: 1 });
    const [a, b] = await Promise.all(screens.map(async (file) => (await loadImage(file, first)).pixels()));
    const blocking = await longestPause(async () =>
      compare({ before: a!, after: b!, threshold: 0.1, ignoreRegions: [], maxRegions: 12 }),
    );
    const most = LONGEST_MS === undefined ? blocking * MOST_SHARE : Number(LONGEST_MS);
    const mixed = async () => {
      const context = createImageContext({ folders: 'everywhere' });
      const [image, a, b] = await Promise.all([photo, ...screens].map((file) => loadImage(file, context)));
      const part = await cropImage(image!, { x: 10, y: 20, width: 2000, height: 1500 });
      await Promise.all([
        diffImages(a!, b!).then((diff) => diff.picture(800)),
        image!.pixels().then((pixels) => thumbnail({ image: pixels, maxSide: 512 })),
        engine.open().ask([systemMessage(), userMessage([part], 'What?')], { maxTokens: 4 }),
      ]);
    };
    for (let round = 0; round < ROUNDS; round++) {
      const pause = await longestPause(mixed);
      assert.ok(pause <= most, `the loop stood still for ${pause} ms; at most ${most} ms are allowed`);
    }
    await engine.close();
  },
);
