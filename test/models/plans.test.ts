// Sizes and token counts against tables made by running the reference processors over many image sizes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Checkpoint } from '../../src/models/checkpoint/checkpoint.js';
import { Config } from '../../src/models/checkpoint/config.js';
import type { ImagePlan, Processor } from '../../src/models/family.js';
import { fixedSquareProcessor } from '../../src/models/processors/fixed-square.js';
import { k25Size, kimiImageProcessor, kimiVlSize } from '../../src/models/processors/kimi-image.js';
import { lfm2ImageProcessor } from '../../src/models/processors/lfm2-image.js';
import { panAndScanCrops } from '../../src/models/processors/pan-and-scan.js';
import { pixtralImageProcessor } from '../../src/models/processors/pixtral-image.js';
import { qwenImageProcessor } from '../../src/models/processors/qwen-image.js';
import { splitImageProcessor } from '../../src/models/processors/split-image.js';

interface Row {
  size: [height: number, width: number];
  error?: string;
  [key: string]: unknown;
}

interface Table {
  rule: string;
  params: Record<string, number | boolean>;
  rows: Row[];
}

function tables(name: string): Table[] {
  return JSON.parse(
    readFileSync(new URL(`fixtures/preprocessing/${name}.json`, import.meta.url), 'utf8'),
  ) as Table[];
}

function checkpoint(imageProcessor: Record<string, unknown>): Checkpoint {
  const normalization = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] };
  return {
    folder: '',
    config: {},
    generationConfig: {},
    imageProcessor: { ...normalization, ...imageProcessor },
    processor: {},
    tensors: new Map(),
    files: [],
    tokenId: () => undefined,
  };
}

const settings = (values: Record<string, unknown>): Config =>
  new Config(checkpoint(values).imageProcessor, 'settings');

/** Checks every row; rows with an error must be refused. */
function checkRows(
  { rule, rows }: Table,
  processor: Processor,
  actual: (plan: ImagePlan) => Record<string, unknown>,
): void {
  for (const { size, error, ...expected } of rows) {
    const [height, width] = size;
    const label = `${rule} ${height}×${width}`;
    if (error) {
      assert.throws(() => processor.plan(width, height), { code: 'IMAGE_UNSUPPORTED' }, label);
      continue;
    }
    const plan = processor.plan(width, height);
    assert.deepEqual({ ...expected, ...actual(plan) }, expected, label);
    assert.equal(plan.symbols['patches']! % plan.tokens, 0, label);
  }
}

const viewed = (plan: ImagePlan): [number, number] => [plan.viewedHeight, plan.viewedWidth];

for (const table of tables('qwen')) {
  test(`Qwen's smart resize: ${table.rule}`, () => {
    const { patch_size, merge_size, min_pixels, max_pixels } = table.params;
    for (const limits of [
      { min_pixels, max_pixels },
      { size: { shortest_edge: min_pixels, longest_edge: max_pixels } },
    ]) {
      const processor = qwenImageProcessor(
        checkpoint({ patch_size, merge_size, temporal_patch_size: 2, ...limits }),
        { imageToken: '#', tables: () => ({}) },
      );
      checkRows(table, processor, (plan) => {
        assert.equal(plan.placeholder, '#'.repeat(plan.tokens));
        return { resized: viewed(plan), grid_thw: plan.layout['image_grid_thw'], tokens: plan.tokens };
      });
    }
  });
}

for (const table of tables('idefics3')) {
  test(`Idefics3's tiles: ${table.rule}`, () => {
    const { longest_edge, max_image_size, image_seq_len, do_image_splitting } = table.params as Record<
      string,
      number
    >;
    const processor = splitImageProcessor(
      checkpoint({
        size: { longest_edge },
        max_image_size: { longest_edge: max_image_size },
        do_image_splitting,
      }),
      {
        patch: max_image_size! / 4,
        block: 1,
        tokensPerFrame: image_seq_len!,
        placeholder: (rows, columns) => `${rows}×${columns}`,
      },
    );
    for (const { size, rows, cols, images, tokens } of table.rows) {
      const plan = processor.plan(size[1], size[0]);
      const frames = plan.symbols['segments']! - 1;
      assert.deepEqual(
        [plan.layout['tile_rows'], plan.layout['tile_cols'], frames, plan.tokens],
        [rows, cols, images, tokens],
        `${table.rule} ${size.join('×')}`,
      );
    }
  });
}

test('tiles that are not whole patches keep the whole ones, as SmolVLM2 2.2B has it: 27 of 14 pixels in 384', () => {
  const processor = splitImageProcessor(
    checkpoint({ size: { longest_edge: 1536 }, max_image_size: { longest_edge: 384 } }),
    { patch: 14, block: 3, tokensPerFrame: 81, placeholder: () => '' },
  );
  const [width, height] = [768, 384];
  const plan = processor.plan(width, height);
  const frames = plan.symbols['segments']! - 1;
  assert.deepEqual([plan.symbols['patches'], plan.tokens], [frames * 27 * 27, frames * 81]);
  const image = { width, height, data: new Uint8Array(width * height * 3).fill(255) };
  const { pixel_values, position_index, segments, block_order } = processor.inputs(image, plan);
  for (const { rows } of [pixel_values!, position_index!, block_order!]) assert.equal(rows, frames * 27 * 27);
  assert.ok(pixel_values!.data.every((value) => value === 1));
  assert.deepEqual(
    [...block_order!.data].sort((a, b) => a - b),
    [...Array(frames * 27 * 27).keys()],
  );
  assert.equal(segments!.data.at(-1), frames * 27 * 27);
});

for (const table of tables('fixed_square')) {
  test(`fixed squares: ${table.rule}`, () => {
    const { size, patch_size, pool } = table.params as Record<string, number>;
    const tokens = (size! / patch_size! / pool!) ** 2;
    const processor = fixedSquareProcessor(checkpoint({ size: { height: size, width: size } }), {
      patch: patch_size!,
      tokensPerFrame: tokens,
      placeholder: String,
    });
    checkRows(table, processor, (plan) => ({ resized: viewed(plan), tokens: plan.tokens }));
  });
}

test('Gemma 3: pan and scan', () => {
  for (const { params, rows } of tables('gemma3')) {
    const { min_crop_size, max_num_crops, min_ratio } = params as Record<string, number>;
    for (const { size, crops_top_left_height_width } of rows) {
      const crops = panAndScanCrops(
        { width: size[1], height: size[0] },
        { minCropSize: min_crop_size!, maxCrops: max_num_crops!, minRatio: min_ratio! },
      );
      assert.deepEqual(
        crops.map(({ x, y, width, height }) => [y, x, height, width]),
        crops_top_left_height_width,
        size.join('×'),
      );
    }
  }
});

test('Gemma 3: crops are frames of their own where the settings switch them on', () => {
  const options = { patch: 14, tokensPerFrame: 256, placeholder: String };
  const size = { height: 896 };
  const off = fixedSquareProcessor(checkpoint({ size, do_pan_and_scan: null }), options);
  const on = fixedSquareProcessor(checkpoint({ size, do_pan_and_scan: true }), options);
  assert.equal(off.plan(640, 480).placeholder, '1');
  assert.deepEqual(
    [on.plan(640, 480).placeholder, on.plan(640, 480).tokens, on.plan(640, 640).tokens],
    ['3', 768, 256],
  );
  const image = { width: 640, height: 480, data: new Uint8Array(640 * 480 * 3) };
  assert.equal(on.inputs(image, on.plan(640, 480))['pixel_values']!.rows, 3 * 64 * 64);
  assert.notEqual(on.identity, off.identity);
});

for (const table of tables('pixtral')) {
  test(`Pixtral's sizes: ${table.rule}`, () => {
    const { longest_edge, effective_patch } = table.params as Record<string, number>;
    const processor = pixtralImageProcessor(checkpoint({ size: { longest_edge } }), {
      patch: effective_patch!,
      merge: 1,
    });
    const rows = table.rows.map((row) => (row.error ? { size: row.size, error: row.error } : row));
    checkRows({ ...table, rows }, processor, (plan) => ({
      resized: viewed(plan),
      image_tokens: plan.placeholder.match(/\[IMG\]/g)?.length,
      ids_with_breaks: plan.placeholder.match(/\[IMG(_BREAK|_END)?\]/g)?.length,
    }));
  });
}

for (const table of tables('lfm2_vl')) {
  test(`LFM2-VL's tiles: ${table.rule}`, () => {
    const processor = lfm2ImageProcessor(settings(table.params), {
      placeholder: (_, __, tokens) => tokens.join(),
      tables: () => ({}),
      symbols: () => ({}),
    });
    checkRows(table, processor, (plan) => ({
      rows: plan.layout['tile_rows'],
      cols: plan.layout['tile_cols'],
      patch_grids: plan.layout['spatial_shapes'],
      tokens: plan.placeholder.split(',').map(Number),
      total_tokens: plan.tokens,
    }));
  });
}

for (const table of tables('kimi_k25')) {
  test(`Kimi K2.5's sizes: ${table.rule}`, () => {
    const { patch_size, merge_size, max_patches, patch_limit_on_one_side } = table.params as Record<
      string,
      number
    >;
    const processor = kimiImageProcessor(settings({}), {
      imageToken: '#',
      resized: k25Size(patch_size!, max_patches!, patch_limit_on_one_side!),
      resampler: 'tensor',
      fit: 'pad',
      patch: patch_size!,
      merge: merge_size!,
      tables: () => ({}),
    });
    checkRows(table, processor, (plan) => {
      const [, rows, columns] = plan.layout['image_grid_thw'] as [number, number, number];
      return {
        resized: viewed(plan),
        padded: [rows * patch_size!, columns * patch_size!],
        tokens: plan.tokens,
      };
    });
  });
}

test("Kimi-VL's sizes: whole patches are limited, sides that positions cannot reach are refused", () => {
  const size = kimiVlSize(14, 4096);
  assert.deepEqual(size({ width: 640, height: 480 }), { width: 640, height: 480 });
  const scale = Math.sqrt(4096 / (137 * 77));
  assert.deepEqual(size({ width: 1920, height: 1080 }), {
    width: Math.trunc(1920 * scale),
    height: Math.trunc(1080 * scale),
  });
  assert.throws(() => size({ width: 14 * 600, height: 14 }), { code: 'IMAGE_UNSUPPORTED' });
});
