// DeepSeek-OCR 2 as its publisher and as MLX store it: other names, another config.json, no template and no settings of pixels.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Checkpoint } from '../../src/models/checkpoint/checkpoint.js';
import { openCheckpoint } from '../../src/models/checkpoint/checkpoint-folder.js';
import { buildModel } from '../../src/models/registry.js';
import { renderAll } from '../../src/prompt/template-work.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';

const own = openCheckpoint(join(CHECKPOINTS, 'deepseek_ocr2'));

/** What the publisher's config.json says of the same numbers. */
function published(): Checkpoint {
  const { text_config, ...rest } = own.config as { text_config: Record<string, unknown> };
  const { mlp_layer_types, rope_parameters, ...language } = text_config;
  assert.ok(mlp_layer_types && rope_parameters);
  const language_config = { ...language, first_k_dense_replace: 1, moe_layer_freq: 1, use_mla: false };
  return {
    ...own,
    config: { ...rest, model_type: 'deepseek_vl_v2', text_config: undefined, language_config },
  };
}

const MLX: [RegExp, string][] = [
  [/^model\.(sam_model|projector)\./, '$1.'],
  [/^model\.qwen2_model\.model\.model\./, 'vision_model.qwen2_encoder.'],
  [/^model\.qwen2_model\.(query_\d+)\.weight$/, 'vision_model.$1'],
  [/^model\.view_seperator$/, 'view_separator'],
  [/^(model|lm_head)\b/, 'language_model.$1'],
];

/** MLX's names; its convolutions have their channels last. */
function mlx(): Checkpoint {
  const tensors = [...own.tensors].map(([name, info]) => {
    const [pattern, to] = MLX.find(([found]) => found.test(name)) ?? [/^/, ''];
    const [out, channels, ...kernel] = info.shape;
    const convolution = info.shape.length === 4 && !name.endsWith('pos_embed');
    const shape = convolution ? [out!, ...kernel, channels!] : info.shape;
    return [name.replace(pattern, to), { ...info, shape }] as const;
  });
  return { ...own, tensors: new Map(tensors) };
}

const shapes = (checkpoint: Checkpoint): unknown => {
  const { vision, decoder } = buildModel(checkpoint);
  return [vision, decoder].map(({ ops, weights }) => [ops, weights.map(({ shape }) => shape)]);
};

test("the publisher's config.json makes the same programs", () => {
  assert.deepEqual(shapes(published()), shapes(own));
});

test("MLX's names make the same programs", () => {
  assert.deepEqual(shapes(mlx()), shapes(own));
});

test('without settings of pixels those of the publisher hold', () => {
  const { processor } = buildModel({ ...own, imageProcessor: { size: { height: 128 }, tile_size: 96 } });
  assert.equal(processor.pixelStep, buildModel(own).processor.pixelStep);
});

test('views that there are no queries for are refused', () => {
  const { processor } = buildModel({ ...own, imageProcessor: { size: { height: 160 }, tile_size: 96 } });
  const image = { width: 20, height: 20, data: new Uint8Array(1200) };
  assert.throws(() => processor.inputs(image, processor.plan(20, 20)), {
    code: 'INVALID_CHECKPOINT',
    message: /views of 400 tokens.*144 and 256/,
  });
});

test('without a template: images with line breaks, the task; what the system says behind the first images', () => {
  const { chatTemplate, imagePlaceholder } = buildModel(own);
  const image = { type: 'image' as const };
  const text = (said: string) => ({ type: 'text' as const, text: said });
  const given = { source: chatTemplate!, placeholder: imagePlaceholder, tokens: {} };
  const user = (...content: (typeof image | ReturnType<typeof text>)[]) => ({
    role: 'user' as const,
    content,
  });
  const rendered = (...messages: Parameters<typeof renderAll>[0]['wanted'][0]['messages']): string =>
    renderAll({ given, wanted: [{ messages, addGenerationPrompt: true }] })[0]!;
  const begin = '<｜begin▁of▁sentence｜>';
  assert.equal(rendered(user(image, text('Free OCR.'))), `${begin}<image>\nFree OCR.`);
  const system = { role: 'system' as const, content: [text('Look.')] };
  assert.equal(rendered(system, user(image, image, text('Read.'))), `${begin}<image>\n<image>\nLook.\nRead.`);
  const answer = { role: 'assistant' as const, content: [text('A')] };
  assert.equal(
    rendered(user(image, text('Read.')), answer, user(text('More?'))),
    `${begin}<image>\nRead.\nA\nMore?`,
  );
});
