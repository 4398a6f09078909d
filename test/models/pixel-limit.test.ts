// --max-pixels, family by family: a limit makes images smaller, or leaves them alone, and never makes one larger.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Checkpoint } from '../../src/models/checkpoint/checkpoint.js';
import { Config } from '../../src/models/checkpoint/config.js';
import type { ImagePlan, Processor } from '../../src/models/family.js';
import { clipImageProcessor } from '../../src/models/processors/clip-image.js';
import { deepSeekImageProcessor } from '../../src/models/processors/deepseek-image.js';
import { fixedSquareProcessor } from '../../src/models/processors/fixed-square.js';
import { gemma4ImageProcessor, plainResize } from '../../src/models/processors/gemma4-image.js';
import { internImageProcessor } from '../../src/models/processors/intern-image.js';
import { k25Size, kimiImageProcessor, kimiVlSize } from '../../src/models/processors/kimi-image.js';
import { lfm2ImageProcessor } from '../../src/models/processors/lfm2-image.js';
import { llavaNextImageProcessor } from '../../src/models/processors/llava-next-image.js';
import { miniCpmImageProcessor } from '../../src/models/processors/minicpm-image.js';
import { pixtralImageProcessor } from '../../src/models/processors/pixtral-image.js';
import { qwenImageProcessor } from '../../src/models/processors/qwen-image.js';
import { splitImageProcessor } from '../../src/models/processors/split-image.js';

function checkpoint(values: Record<string, unknown>): Checkpoint {
  const imageProcessor = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5], ...values };
  return {
    folder: '',
    config: {},
    generationConfig: {},
    imageProcessor,
    processor: {},
    tensors: new Map(),
    files: [],
    tokenId: () => undefined,
  };
}
const settings = (values: Record<string, unknown>) =>
  new Config(checkpoint(values).imageProcessor, 'settings');

const qwen = (limits: Record<string, unknown>) =>
  qwenImageProcessor(checkpoint({ patch_size: 14, merge_size: 2, temporal_patch_size: 2, ...limits }), {
    imageToken: '#',
    tables: () => ({}),
  });
const glm = () =>
  qwenImageProcessor(
    checkpoint({
      patch_size: 14,
      merge_size: 2,
      temporal_patch_size: 2,
      size: { shortest_edge: 12_544, longest_edge: 9_633_792 },
    }),
    { imageToken: '#', volumes: true, tables: () => ({}) },
  );
const paddle = () =>
  qwenImageProcessor(
    checkpoint({
      patch_size: 14,
      merge_size: 2,
      temporal_patch_size: 1,
      min_pixels: 147_384,
      max_pixels: 2_822_400,
    }),
    { imageToken: '#', raster: true, tables: () => ({}) },
  );
const gemma4 = (budget: number) =>
  gemma4ImageProcessor(checkpoint({ do_normalize: false, max_soft_tokens: budget }), {
    merged: false,
    resize: plainResize,
    placeholder: String,
    symbols: (patches, tokens) => ({ patches, tokens }),
    tables: () => ({}),
  });
const frames = {
  patch: 14,
  placeholder: String,
  symbols: (count: number, side: number) => ({ patches: count * side * side }),
  tables: () => ({}),
};
const canvases = [
  [336, 672],
  [672, 336],
  [672, 672],
  [1008, 336],
  [336, 1008],
].map(([height, width]) => ({ width: width!, height: height! }));
const square336 = checkpoint({ crop_size: { height: 336, width: 336 } });
const split = (values: Record<string, unknown>) =>
  splitImageProcessor(checkpoint({ max_image_size: { longest_edge: 364 }, ...values }), {
    patch: 14,
    block: 2,
    tokensPerFrame: 169,
    placeholder: String,
  });
const kimi = (
  resampler: 'tensor' | 'pillow',
  fit: 'pad' | 'cut' | 'stretch',
  resized = k25Size(14, 16384, 512),
) =>
  kimiImageProcessor(settings({}), {
    imageToken: '#',
    resized,
    resampler,
    fit,
    patch: 14,
    merge: 2,
    tables: () => ({}),
  });
const lfm2 = (values: Record<string, unknown>) =>
  lfm2ImageProcessor(settings(values), {
    placeholder: String,
    tables: () => ({}),
    symbols: () => ({}),
  });
const square = (values: Record<string, unknown>) =>
  fixedSquareProcessor(checkpoint({ size: { height: 896, width: 896 }, ...values }), {
    patch: 14,
    tokensPerFrame: 256,
    placeholder: String,
  });

const PROCESSORS: Record<string, Processor> = {
  'Qwen2-VL': qwen({ min_pixels: 3136, max_pixels: 12_845_056 }),
  'Qwen3-VL, areas under size': qwen({ size: { shortest_edge: 65_536, longest_edge: 16_777_216 } }),
  Idefics3: split({ size: { longest_edge: 1456 } }),
  'SmolVLM, whose own side is not whole tiles': split({ size: { longest_edge: 2000 } }),
  'Idefics3, images as they are': split({ do_resize: false }),
  'Idefics3, never split': split({ size: { longest_edge: 1456 }, do_image_splitting: false }),
  'Pixtral, LLaVA': pixtralImageProcessor(checkpoint({ size: { longest_edge: 1024 } }), {
    patch: 16,
    merge: 1,
  }),
  'Mistral 3': pixtralImageProcessor(checkpoint({ size: { longest_edge: 1540 } }), { patch: 14, merge: 2 }),
  LightOnOCR: pixtralImageProcessor(checkpoint({ size: { longest_edge: 1540 } }), {
    patch: 14,
    merge: 2,
    ragged: true,
  }),
  'Kimi K2.5': kimi('tensor', 'pad'),
  'Kimi-VL': kimi('pillow', 'pad', kimiVlSize(14, 4096)),
  'Kimi-VL, cut': kimi('pillow', 'cut', kimiVlSize(14, 4096)),
  LocateAnything: kimi('pillow', 'stretch', kimiVlSize(14, 25600, 28)),
  'LFM2-VL': lfm2({}),
  'LFM2-VL, large single images': lfm2({ max_image_tokens: 2048, max_num_patches: 8192 }),
  'LFM2-VL, never split': lfm2({ do_image_splitting: false }),
  'GLM-OCR, GLM-4V': glm(),
  'PaddleOCR-VL': paddle(),
  'Gemma 4': gemma4(280),
  'Gemma 4, many tokens': gemma4(1120),
  'LLaVA 1.5': clipImageProcessor(square336, frames),
  'LLaVA-NeXT': llavaNextImageProcessor(square336, canvases, frames),
  'MiniCPM-V 4.6': miniCpmImageProcessor(checkpoint({}), {
    ...{ patch: 14, merge: 4, numbered: ['', ''] },
    placeholder: String,
    symbols: (views) => ({ patches: views.reduce((sum, { rows, columns }) => sum + rows * columns, 0) }),
    tables: () => ({}),
  }),
  InternVL: internImageProcessor(checkpoint({ size: { height: 448, width: 448 } }), {
    ...frames,
    tokensPerTile: 256,
  }),
  'DeepSeek-OCR 2': deepSeekImageProcessor(checkpoint({}), {
    patch: 16,
    tokens: (sides) => sides.reduce((sum, side) => sum + (side / 4) ** 2, 1),
    placeholder: String,
    symbols: (sides) => ({ patches: sides.reduce((sum, side) => sum + side * side, 0) }),
    tables: () => ({}),
  }),
  'Gemma 3, PaliGemma, Gemma 3n': square({}),
  'Gemma 3, pan and scan': square({ do_pan_and_scan: true }),
};

const SIDES = [1, 14, 100, 333, 640, 1000, 1920, 4000];
const SIZES = SIDES.flatMap((width) => SIDES.map((height) => ({ width, height })));
const LIMITS = [1, 1024, 50_176, 262_144, 600_000, 1_000_000, 3_000_000, 1e9];

/** The shape of an image that is one token high is not given up for the limit. */
const WIDEST_UNIT = 32;

const area = ({ viewedWidth, viewedHeight }: ImagePlan) => viewedWidth * viewedHeight;

/** Undefined where the reference refuses the size. */
function planOf(processor: Processor, { width, height }: { width: number; height: number }) {
  try {
    return processor.plan(width, height);
  } catch {
    return undefined;
  }
}

for (const [name, processor] of Object.entries(PROCESSORS)) {
  test(`${name}: within the limit, never larger, and no size is refused that was not`, () => {
    const least = processor.limitedTo(1);
    for (const limit of LIMITS) {
      const limited = processor.limitedTo(limit);
      let changed = false;
      for (const size of SIZES) {
        const own = planOf(processor, size);
        if (!own) continue;
        const label = `${size.width}×${size.height} with ${limit}`;
        const plan = limited.plan(size.width, size.height);
        assert.ok(area(plan) <= area(own), `${label}: viewed larger`);
        assert.ok(plan.tokens <= own.tokens, `${label}: more tokens`);
        assert.ok(plan.tokens > 0 && area(plan) > 0, `${label}: nothing is left`);
        const atLeast = area(least.plan(size.width, size.height));
        const thin = Math.min(plan.viewedWidth, plan.viewedHeight) <= WIDEST_UNIT;
        if (!thin) assert.ok(area(plan) <= Math.max(limit, atLeast), `${label}: viewed with ${area(plan)}`);
        if (area(own) <= limit) assert.deepEqual(area(plan), area(own), `${label}: was small enough`);
        changed ||= plan.tokens !== own.tokens || area(plan) !== area(own);
      }
      if (changed) assert.notEqual(limited.identity, processor.identity, `${limit}: another key`);
    }
  });

  test(`${name}: the rows of a limited image are those its plan promises`, () => {
    const image = { width: 700, height: 500, data: new Uint8Array(700 * 500 * 3) };
    const limited = processor.limitedTo(300_000).limitedTo(200_000).limitedTo(300_000);
    const plan = limited.plan(image.width, image.height);
    assert.deepEqual(
      plan,
      processor.limitedTo(200_000).plan(image.width, image.height),
      'the least limit counts',
    );
    for (const among of [limited, processor.limitedTo(1)]) {
      const { symbols } = among.plan(image.width, image.height);
      assert.equal(
        among.inputs(image, among.plan(image.width, image.height))['pixel_values']!.rows,
        symbols['patches'],
      );
    }
  });
}

test('a limit that leaves detail does leave it', () => {
  const wide = { width: 1920, height: 1080 };
  for (const [name, processor] of Object.entries(PROCESSORS)) {
    if (/Gemma 3|LLaVA 1.5|never split/.test(name)) continue;
    const plan = processor.limitedTo(600_000).plan(wide.width, wide.height);
    assert.ok(area(plan) > 300_000, `${name} uses ${area(plan)} of 600000 pixels`);
  }
});

test('LLaVA-NeXT below the least canvas is one frame: as many tokens as it has patches', () => {
  const { tokens, symbols } = PROCESSORS['LLaVA-NeXT']!.limitedTo(1).plan(640, 480);
  assert.deepEqual({ tokens, ...symbols }, { tokens: 576, patches: 576 });
});
