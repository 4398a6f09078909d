// SigLIP's vision tower (Zhai et al. 2023, https://arxiv.org/abs/2303.15343) without its pooling head: used by
// SmolVLM, PaliGemma, Gemma 3 and, with resized positions, LFM2-VL (SigLIP 2).
import { GraphBuilder, rowsOf, type ActivationName, type Value } from '../../graph/builder.js';
import type { Config } from '../checkpoint/config.js';
import { segmentInput } from './qwen.js';
import type { WeightScope } from '../checkpoint/weights.js';

export interface SiglipShape {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  patch_size: number;
  layer_norm_eps: number;
  hidden_act: ActivationName;
}

/** Class defaults are those of SigLIP base; every real checkpoint states what differs. */
export function siglipShape(vision: Config): SiglipShape {
  return {
    hidden_size: vision.count('hidden_size', 768),
    intermediate_size: vision.count('intermediate_size', 3072),
    num_hidden_layers: vision.parts('num_hidden_layers', 12),
    num_attention_heads: vision.count('num_attention_heads', 12),
    patch_size: vision.count('patch_size', 16),
    layer_norm_eps: vision.number('layer_norm_eps', 1e-6),
    hidden_act: siglipActivation(vision.string('hidden_act', 'gelu_pytorch_tanh')),
  };
}

/** Hugging Face's names of the same functions. */
function siglipActivation(name: string): ActivationName {
  return name === 'gelu_pytorch_tanh' || name === 'gelu_fast' || name === 'gelu_new'
    ? 'gelu_tanh'
    : (name as ActivationName);
}

/** Patches of square frames with one learned position each. Returns [patches, hidden] before any projection. */
export function siglipTower(g: GraphBuilder, w: WeightScope, c: SiglipShape, positions: number): Value {
  const patches = rowsOf('patches');
  const pixels = g.input('pixel_values', { rows: patches, width: 3 * c.patch_size ** 2 });
  const position = g.input('position_index', { rows: patches, width: 1, dtype: 'i32' });
  const embed = w('embeddings.patch_embedding');
  const kernel = embed.patchKernel(c.hidden_size, 3, [c.patch_size, c.patch_size]);
  const table = w('embeddings.position_embedding').matrix(positions, c.hidden_size);
  const x = g.add(g.matmul(pixels, kernel, embed.bias(c.hidden_size)), g.embedding(position, table));
  return siglipBlocks(g, x, w, c);
}

/** Attention inside each segment of rows; one segment per frame. */
export function siglipBlocks(
  g: GraphBuilder,
  embedded: Value,
  w: WeightScope,
  c: SiglipShape,
  rope?: SiglipPlaces['rope'],
): Value {
  return g.layerNorm(siglipStates(g, embedded, w, c, rope).at(-1)!, w('post_layernorm'), c.layer_norm_eps);
}

/** What goes into the blocks, and what each block makes of it. CLIP's blocks are the same. */
export function siglipStates(
  g: GraphBuilder,
  embedded: Value,
  w: WeightScope,
  c: SiglipShape,
  rope?: SiglipPlaces['rope'],
): Value[] {
  const segments = segmentInput(g, 'segments');
  const states = [embedded];
  for (let i = 0; i < c.num_hidden_layers; i++)
    states.push(siglipBlock(g, states[i]!, w, c, i, { segments, rope }));
  return states;
}

export interface SiglipPlaces {
  /** Rows that attend to each other. */
  segments: Value;
  /** Turns queries and keys, where positions are not all in the embeddings. */
  rope?: Value;
}

/** Block i. [rows, hidden] → [rows, hidden] */
export function siglipBlock(
  g: GraphBuilder,
  before: Value,
  w: WeightScope,
  c: SiglipShape,
  i: number,
  places: SiglipPlaces,
): Value {
  const layer: WeightScope = (name) => w(`encoder.layers.${i}.${name}`);
  const normed = g.layerNorm(before, layer('layer_norm1'), c.layer_norm_eps);
  const x = g.add(before, siglipAttention(g, normed, layer, c, places));
  const f = g.linear(
    g.layerNorm(x, layer('layer_norm2'), c.layer_norm_eps),
    layer('mlp.fc1'),
    c.intermediate_size,
    { bias: true },
  );
  const mlp = g.linear(g.activation(f, c.hidden_act), layer('mlp.fc2'), c.hidden_size, { bias: true });
  return g.named(`blocks.${i}.output`, g.add(x, mlp));
}

/** [rows, hidden] → [rows, hidden] */
export function siglipAttention(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  c: SiglipShape,
  { segments, rope }: SiglipPlaces,
): Value {
  const { hidden_size: width, num_attention_heads: heads } = c;
  const project = (name: string): Value => g.linear(x, w(`self_attn.${name}`), width, { bias: true });
  const shape = { heads, kvHeads: heads, kDim: width / heads, scale: (width / heads) ** -0.5 };
  const turned = (y: Value): Value => (rope ? g.rope(y, rope, heads) : y);
  const [q, k] = [turned(project('q_proj')), turned(project('k_proj'))];
  const o = g.segmentAttention(q, k, project('v_proj'), segments, shape);
  return g.linear(o, w('self_attn.out_proj'), width, { bias: true });
}
