// On a slow machine pictures are seen so small that a screen is answered in time: measured once, then remembered.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { starterFolder } from '../../src/engine/model-folder.js';
import { ladder, usualPixels, type Timed } from '../../src/engine/pace.js';
import { Processors, Sight } from '../../src/engine/sight.js';
import { pixelIdentity } from '../../src/image/key.js';
import { CLOSELY } from '../../src/image/rgb-image.js';
import type { Processor } from '../../src/models/family.js';
import { openModel } from '../../src/models/registry.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';

const SCREEN = { width: 1280, height: 800 };
const { processor } = openModel(starterFolder()).model;
const tokensOf = (seen: Processor): number => seen.plan(SCREEN.width, SCREEN.height).tokens;
const whole = tokensOf(processor);

/** A machine of this speed, and how often it looked. */
function machine(ms: (tokens: number) => number, tokenMs = 1) {
  const looks: number[] = [];
  const look = async (maxPixels: number): Promise<Timed> => {
    looks.push(maxPixels);
    return { lookMs: ms(tokensOf(processor.limitedTo(maxPixels))), tokenMs };
  };
  return { looks, look };
}

describe('the size for a pace', () => {
  test('a fast machine has no limit, and is asked once', async () => {
    const { looks, look } = machine((tokens) => tokens);
    assert.equal(await usualPixels(ladder(processor), 50_000, look), undefined);
    assert.equal(looks.length, 1);
  });

  for (const [name, ms] of Object.entries<(tokens: number) => number>({
    'that grows with the tokens': (tokens) => (50_000 * tokens) / whole,
    'that grows with their square': (tokens) => 50_000 * (tokens / whole) ** 2,
    'that grows with both': (tokens) => 30_000 * (tokens / whole) + 20_000 * (tokens / whole) ** 2,
  })) {
    test(`a time ${name} is met, and a step more would not be`, async () => {
      const { look } = machine(ms);
      const pixels = await usualPixels(ladder(processor), 50_000, look);
      assert.ok(pixels !== undefined);
      assert.ok(ms(tokensOf(processor.limitedTo(pixels))) + 64 <= 25_000);
      assert.ok(ms(tokensOf(processor.limitedTo(pixels * 1.5))) + 64 > 25_000);
      assert.equal(await usualPixels(ladder(processor), 50_000, look), pixels);
    });
  }

  test('slow answers leave less for looking', async () => {
    const ms = (tokens: number) => (24_000 * tokens) / whole;
    assert.equal(await usualPixels(ladder(processor), 50_000, machine(ms).look), undefined);
    assert.ok((await usualPixels(ladder(processor), 50_000, machine(ms, 200).look))! < 800_000);
  });

  test('where nothing is small enough, the smallest', async () => {
    const { looks, look } = machine(() => 60_000);
    assert.equal(await usualPixels(ladder(processor), 50_000, look), looks[0]);
  });

  test('a processor with one size is not measured', async () => {
    const fixed: Processor = { ...processor, limitedTo: () => fixed };
    assert.equal(await usualPixels(ladder(fixed), 1, () => assert.fail('it looked')), undefined);
  });
});

test('a limit is part of what names an image, looking closely is the same as no limit', () => {
  const sight = new Sight();
  const processors = new Processors(processor);
  const seen = (image: { maxPixels?: number }) => processors.of(sight.limitOf(image));
  const free = seen({}).identity;
  sight.decide(200_000);
  assert.notEqual(seen({}).identity, free);
  assert.equal(seen({ maxPixels: CLOSELY }).identity, free);
  assert.equal(seen({ maxPixels: 200_000 }), seen({}));
});

describe('an engine', () => {
  const home = mkdtempSync(join(tmpdir(), 'pace-'));
  const model = join(home, 'copied');
  const cacheFolder = join(home, 'cache', 'prefixes');
  const image = { ...SCREEN, data: new Uint8Array(SCREEN.width * SCREEN.height * 3).fill(200) };
  const input = { ...pixelIdentity(image), pixels: async () => image };
  before(() => {
    cpSync(starterFolder(), model, { recursive: true });
    cpSync(starterFolder(), join(home, 'cache'), {
      recursive: true,
      filter: (path) => path === starterFolder(),
    });
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  async function viewed(more: object, options: object): Promise<{ width: number; height: number }> {
    const engine = new LocalEngine({ threads: 1, model, ...options });
    try {
      const asked = [systemMessage(), userMessage([{ ...input, ...more }], 'What is it?')];
      return (await engine.open().ask(asked, { maxTokens: 1 })).viewed[0]!;
    } finally {
      await engine.close();
    }
  }
  const area = ({ width, height }: { width: number; height: number }) => width * height;

  test('sees as much as the model can where nobody waits', async () => {
    assert.equal(area(await viewed({}, {})), area(await viewed({ maxPixels: CLOSELY }, { answerMs: 1 })));
  });

  test('sees less where time is short, remembers it, and still looks closely', async () => {
    const hurried = area(await viewed({}, { answerMs: 1, cacheFolder }));
    assert.ok(hurried <= 64_000, String(hurried));
    const notes = join(home, 'cache', 'pace');
    const [note] = readdirSync(notes) as [string];
    const kept = JSON.parse(readFileSync(join(notes, note), 'utf8')) as { maxPixels: number };
    assert.equal(kept.maxPixels, 64_000);
    writeFileSync(join(notes, note), JSON.stringify({ maxPixels: 256_000 }));
    const recalled = area(await viewed({}, { answerMs: 1, cacheFolder }));
    assert.ok(recalled > 200_000 && recalled <= 256_000, String(recalled));
    assert.ok(area(await viewed({ maxPixels: CLOSELY }, { answerMs: 1, cacheFolder })) > 256_000);
  });

  test('sees as much as was asked for', async () => {
    const seen = area(await viewed({}, { answerMs: 1, maxPixels: 512_000 }));
    assert.ok(seen > 400_000 && seen <= 512_000, String(seen));
  });
});
