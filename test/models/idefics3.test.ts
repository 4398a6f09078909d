// What published SmolVLM and Idefics3 files leave out of vision_config, and the recorded checkpoints state.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../src/models/registry.js';
import { f32, tinyConfig, tinyProcessor, tinyTensors, type Tensors } from './tiny-checkpoint.js';

/** The tiny checkpoint behind a tower of real sizes. */
function tensors(width: number, layers: number, inner: number): Tensors {
  const found: Tensors = tinyTensors();
  const tower = 'model.vision_model.';
  found['model.connector.modality_projection.proj.weight'] = f32(64, 4 * width);
  found[`${tower}embeddings.patch_embedding.weight`] = f32(width, 3, 4, 4);
  found[`${tower}embeddings.patch_embedding.bias`] = f32(width);
  found[`${tower}embeddings.position_embedding.weight`] = f32(16, width);
  const linear = (name: string, rows: number, columns: number): void => {
    found[`${name}.weight`] = f32(rows, columns);
    found[`${name}.bias`] = f32(rows);
  };
  const norm = (name: string): void => {
    found[`${name}.weight`] = found[`${name}.bias`] = f32(width);
  };
  norm(`${tower}post_layernorm`);
  for (let i = 0; i < layers; i++) {
    const layer = `${tower}encoder.layers.${i}.`;
    for (const name of ['layer_norm1', 'layer_norm2']) norm(layer + name);
    for (const name of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
      linear(`${layer}self_attn.${name}`, width, width);
    linear(`${layer}mlp.fc1`, inner, width);
    linear(`${layer}mlp.fc2`, width, inner);
  }
  return found;
}

for (const [name, width, layers, inner, heads] of [
  ['SmolVLM-256M', 768, 12, 3072, 12],
  ['SmolVLM2-2.2B', 1152, 27, 4304, 16],
] as const) {
  test(`${name}: a tower of width ${width} has ${layers} layers with ${heads} heads`, () => {
    const { vision } = buildModel({
      folder: '',
      config: { ...tinyConfig(), vision_config: { hidden_size: width, image_size: 16, patch_size: 4 } },
      generationConfig: {},
      imageProcessor: tinyProcessor,
      processor: {},
      tensors: new Map(Object.entries(tensors(width, layers, inner))),
      files: [],
      tokenId: () => undefined,
    });
    const attentions = vision.ops.filter(({ op }) => op === 'segmentAttention');
    assert.deepEqual(
      attentions.map(({ attrs }) => attrs['heads']),
      new Array(layers).fill(heads),
    );
  });
}
