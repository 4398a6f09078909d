// What every family's converter is made of: tensors, entries of metadata, names that all decoders share.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Json = Record<string, unknown>;

export interface Tensor {
  name: string;
  shape: number[];
  data: Float32Array;
}

export const KINDS = { u32: 4, i32: 5, f32: 6, bool: 7, str: 8 } as const;
export type Kind = keyof typeof KINDS;
export type Entry = [key: string, kind: Kind, value: unknown];

export interface Source {
  config: Json;
  tensors: Map<string, Tensor>;
  source: string;
}

export interface Converted {
  metadata: Entry[];
  tower: Entry[];
  text: Tensor[];
  vision: Tensor[];
  tokenizer: { model: string; pre?: string };
}

export type Convert = (source: Source) => Converted;

export const readJson = (folder: string, name: string): Json =>
  JSON.parse(readFileSync(join(folder, name), 'utf8')) as Json;

/** Metadata that every decoder has. */
export function decoderKeys(arch: string, text: Json): Entry[] {
  const number = (key: string, kind: Kind, value: unknown): Entry[] =>
    value === undefined ? [] : [[`${arch}.${key}`, kind, value]];
  return [
    ['general.architecture', 'str', arch],
    ...number('context_length', 'u32', text['max_position_embeddings'] ?? 131072),
    ...number('embedding_length', 'u32', text['hidden_size']),
    ...number('block_count', 'u32', text['num_hidden_layers']),
    ...number('feed_forward_length', 'u32', text['intermediate_size']),
    ...number('attention.head_count', 'u32', text['num_attention_heads']),
    ...number('attention.head_count_kv', 'u32', text['num_key_value_heads']),
    ...number('attention.layer_norm_rms_epsilon', 'f32', text['rms_norm_eps'] ?? 1e-6),
    ...number('attention.key_length', 'u32', text['head_dim']),
    ...number('rope.freq_base', 'f32', text['rope_theta']),
  ];
}

export function towerKeys(projector: string, source: string, sizes: Record<string, unknown>): Entry[] {
  const { image_mean, image_std } = readJson(source, 'preprocessor_config.json');
  return [
    ['general.architecture', 'str', 'clip'],
    ['clip.projector_type', 'str', projector],
    ['clip.vision.image_mean', 'f32', image_mean],
    ['clip.vision.image_std', 'f32', image_std],
    ...Object.entries(sizes).map(([key, value]): Entry => [`clip.vision.${key}`, 'u32', value]),
  ];
}

const DECODER: [RegExp, string][] = [
  [/^embed_tokens\./, 'token_embd.'],
  [/^norm\./, 'output_norm.'],
  [/^layers\./, 'blk.'],
  [/self_attn\.([qkv])_proj/, 'attn_$1'],
  [/self_attn\.o_proj/, 'attn_output'],
  [/self_attn\.([qk])_norm/, 'attn_$1_norm'],
  [/mlp\.(gate|up|down)_proj/, 'ffn_$1'],
];
export const renamed = (name: string, rules: [RegExp, string][]): string =>
  rules.reduce((text, [from, to]) => text.replace(from, to), name);

export function decoderOf(
  tensors: Map<string, Tensor>,
  prefix: string,
  rules: [RegExp, string][],
  change: (tensor: Tensor) => Tensor = (tensor) => tensor,
): Tensor[] {
  return [...tensors.values()].flatMap((tensor): Tensor[] => {
    const head = /(^|\.)lm_head\.weight$/.test(tensor.name);
    if (!head && (!tensor.name.startsWith(prefix) || /^(model\.)?(visual|vision)/.test(tensor.name)))
      return [];
    const name = head ? 'output.weight' : renamed(tensor.name.slice(prefix.length), [...DECODER, ...rules]);
    return [{ ...change(tensor), name }];
  });
}

export const LLAMA_NORMS: [RegExp, string][] = [
  [/post_attention_layernorm/, 'ffn_norm'],
  [/input_layernorm/, 'attn_norm'],
];
export const GEMMA_NORMS: [RegExp, string][] = [
  [/input_layernorm/, 'attn_norm'],
  [/pre_feedforward_layernorm/, 'ffn_norm'],
  [/post_attention_layernorm/, 'post_attention_norm'],
  [/post_feedforward_layernorm/, 'post_ffw_norm'],
];

export const added = (tensor: Tensor): Tensor => ({ ...tensor, data: tensor.data.map((value) => value + 1) });
