// A SmolVLM of one layer on disk, for tests that break it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder } from '../scratch-folder.js';

export interface TensorSpec {
  dtype: string;
  shape: number[];
  /** Zeros where absent. */
  bytes?: Uint8Array;
}

export type Tensors = Record<string, TensorSpec>;

const BYTES: Record<string, number> = {
  ...{ F32: 4, U32: 4, I32: 4, BF16: 2, F16: 2 },
  ...{ U8: 1, I8: 1, F8_E4M3: 1 },
};

export const f32 = (...shape: number[]): TensorSpec => ({ dtype: 'F32', shape });

export function tinyTensors(): Tensors {
  const tensors: Tensors = {
    'lm_head.weight': f32(40, 64),
    'model.text_model.embed_tokens.weight': f32(40, 64),
    'model.text_model.norm.weight': f32(64),
    'model.connector.modality_projection.proj.weight': f32(64, 128),
    'model.vision_model.embeddings.patch_embedding.weight': f32(32, 3, 4, 4),
    'model.vision_model.embeddings.patch_embedding.bias': f32(32),
    'model.vision_model.embeddings.position_embedding.weight': f32(16, 32),
    'model.vision_model.post_layernorm.weight': f32(32),
    'model.vision_model.post_layernorm.bias': f32(32),
  };
  const add = (prefix: string, names: Record<string, number[]>): void => {
    for (const [name, shape] of Object.entries(names)) tensors[prefix + name] = f32(...shape);
  };
  add('model.text_model.layers.0.', {
    'input_layernorm.weight': [64],
    'post_attention_layernorm.weight': [64],
    'self_attn.q_proj.weight': [64, 64],
    'self_attn.k_proj.weight': [32, 64],
    'self_attn.v_proj.weight': [32, 64],
    'self_attn.o_proj.weight': [64, 64],
    'mlp.gate_proj.weight': [128, 64],
    'mlp.up_proj.weight': [128, 64],
    'mlp.down_proj.weight': [64, 128],
  });
  for (const norm of ['layer_norm1', 'layer_norm2']) {
    add(`model.vision_model.encoder.layers.0.${norm}.`, { weight: [32], bias: [32] });
  }
  for (const name of ['q_proj', 'k_proj', 'v_proj', 'out_proj']) {
    add(`model.vision_model.encoder.layers.0.self_attn.${name}.`, { weight: [32, 32], bias: [32] });
  }
  add('model.vision_model.encoder.layers.0.mlp.fc1.', { weight: [48, 32], bias: [48] });
  add('model.vision_model.encoder.layers.0.mlp.fc2.', { weight: [32, 48], bias: [32] });
  return tensors;
}

export function tinyConfig(): Record<string, unknown> {
  return {
    model_type: 'smolvlm',
    image_token_id: 39,
    scale_factor: 2,
    text_config: {
      model_type: 'llama',
      hidden_size: 64,
      intermediate_size: 128,
      num_hidden_layers: 1,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      vocab_size: 40,
      rope_theta: 10000,
    },
    vision_config: {
      hidden_size: 32,
      intermediate_size: 48,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      image_size: 16,
      patch_size: 4,
    },
  };
}

export const tinyProcessor = {
  do_image_splitting: true,
  size: { longest_edge: 32 },
  max_image_size: { longest_edge: 16 },
  resample: 1,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
};

export interface FolderOptions {
  config?: Record<string, unknown>;
  /** File name → tensors. */
  files?: Record<string, Tensors>;
  json?: Record<string, unknown>;
}

/** Writes a checkpoint folder and returns its path. */
export function writeCheckpoint(options: FolderOptions = {}): string {
  const folder = scratchFolder('checkpoint');
  const { config = tinyConfig(), files = { 'model.safetensors': tinyTensors() } } = options;
  const json: Record<string, unknown> = {
    'config.json': config,
    'preprocessor_config.json': tinyProcessor,
    ...options.json,
  };
  for (const [name, content] of Object.entries(json))
    writeFileSync(join(folder, name), JSON.stringify(content));
  for (const [name, tensors] of Object.entries(files))
    writeFileSync(join(folder, name), safetensors(tensors));
  return folder;
}

export function safetensors(tensors: Tensors): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    const size = shape.reduce((a, b) => a * b, 1) * BYTES[dtype]!;
    header[name] = { dtype, shape, data_offsets: [at, at + size] };
    parts.push(bytes ?? new Uint8Array(size));
    at += size;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...parts]);
}
