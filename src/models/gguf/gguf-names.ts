// How llama.cpp calls the tensors of each family, and what it makes of them: which of ours is made of which of its, and
// how. Names and changes follow its converter (gguf-py/gguf/tensor_mapping.py and conversion/*.py).
import type { StoredTensorInfo } from '../checkpoint/checkpoint.js';

/** Our name → what it is made of. */
export interface Renamed {
  name: string;
  from: string[];
  /** Of the stored tensor, or of the stack of several: shape in which it lies and order in which its axes are read. */
  view?: { shape: number[]; permute: number[] };
  /** Logical shape, where it is not that of the stored one. */
  shape?: number[];
  /** Instead of what is stored. */
  values?: number[];
  plusOne?: boolean;
}

export interface Stored {
  shape: number[];
  dtype: string;
}

type Tensors = ReadonlyMap<string, Stored>;

const LAYER = /^blk\.(\d+)\.([a-z0-9_]+)\.(weight|bias)$/;

/** Modules of a decoder layer; `gemma` norms stand elsewhere. */
const LLAMA_LAYER: Record<string, string> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
  ffn_gate_inp: 'mlp.gate',
  ffn_gate_exps: 'mlp.switch_mlp.gate_proj',
  ffn_up_exps: 'mlp.switch_mlp.up_proj',
  ffn_gate_up_exps: 'mlp.experts.gate_up_proj',
  ffn_down_exps: 'mlp.switch_mlp.down_proj',
};
/** Qwen3.5: layers of the gated delta rule among the others, and an expert that all rows share. */
const DELTA_LAYER: Record<string, string> = {
  ...LLAMA_LAYER,
  post_attention_norm: 'post_attention_layernorm',
  attn_qkv: 'linear_attn.in_proj_qkv',
  attn_gate: 'linear_attn.in_proj_z',
  ssm_alpha: 'linear_attn.in_proj_a',
  ssm_beta: 'linear_attn.in_proj_b',
  ssm_conv1d: 'linear_attn.conv1d',
  ssm_norm: 'linear_attn.norm',
  ssm_out: 'linear_attn.out_proj',
  ffn_gate_inp_shexp: 'mlp.shared_expert_gate',
  ffn_gate_shexp: 'mlp.shared_expert.gate_proj',
  ffn_up_shexp: 'mlp.shared_expert.up_proj',
  ffn_down_shexp: 'mlp.shared_expert.down_proj',
};
const GEMMA_LAYER: Record<string, string> = {
  ...LLAMA_LAYER,
  ffn_norm: 'pre_feedforward_layernorm',
  post_attention_norm: 'post_attention_layernorm',
  post_ffw_norm: 'post_feedforward_layernorm',
};
const GEMMA4_LAYER: Record<string, string> = {
  ...GEMMA_LAYER,
  inp_gate: 'per_layer_input_gate',
  proj: 'per_layer_projection',
  post_norm: 'post_per_layer_input_norm',
};
const WHOLE: Record<string, string> = {
  'token_embd.weight': 'embed_tokens.weight',
  'output_norm.weight': 'norm.weight',
  'per_layer_token_embd.weight': 'embed_tokens_per_layer.weight',
  'per_layer_model_proj.weight': 'per_layer_model_projection.weight',
  'per_layer_proj_norm.weight': 'per_layer_projection_norm.weight',
};

export interface DecoderNames {
  prefix: string;
  layer?: 'gemma' | 'gemma4' | 'delta';
  /** Norms are stored with the 1 that is added to them. */
  plusOne?: boolean;
  /** Heads of queries and keys whose rows are stored pair by pair, as llama.cpp turns them. */
  paired?: { attn_q: number; attn_k: number };
}

/** Tensors of the decoder; those that it does not read are left out. */
export function decoderTensors(tensors: Tensors, names: DecoderNames): Renamed[] {
  const layers = { llama: LLAMA_LAYER, gemma: GEMMA_LAYER, gemma4: GEMMA4_LAYER, delta: DELTA_LAYER };
  const layer = layers[names.layer ?? 'llama'];
  return [...tensors].flatMap(([from, stored]): Renamed[] => {
    if (from === 'output.weight') return [{ name: 'lm_head.weight', from: [from] }];
    const plusOne = names.plusOne === true && /norm\.weight$/.test(from) && { plusOne: true };
    if (WHOLE[from]) return [{ name: `${names.prefix}${WHOLE[from]}`, from: [from], ...plusOne }];
    const [, index, module, kind] = LAYER.exec(from) ?? [];
    if (module === 'layer_output_scale')
      return [{ name: `${names.prefix}layers.${index}.layer_scalar`, from: [from] }];
    const own = layer[module ?? ''];
    if (own === undefined) return [];
    const name = `${names.prefix}layers.${index}.${own}.${kind}`;
    const heads = names.paired?.[module as 'attn_q' | 'attn_k'];
    return [{ name, from: [from], ...plusOne, ...(heads && unpaired(stored.shape, heads)) }];
  });
}

/** Rows 2i and 2i + 1 of a head were rows i and i + d/2. */
function unpaired(shape: number[], heads: number): Pick<Renamed, 'view' | 'shape'> {
  const [rows, ...rest] = shape as [number, ...number[]];
  const half = rows / heads / 2;
  const others = rest.map((_, i) => i + 3);
  return { view: { shape: [heads, half, 2, ...rest], permute: [0, 2, 1, ...others] }, shape };
}

const VISION_LAYER = /^v\.blk\.(\d+)\.([a-z0-9_]+)\.(weight|bias|input_min|input_max|output_min|output_max)$/;

export interface TowerNames {
  prefix: string;
  /** Path of a block: `blocks.3`. */
  block: string;
  modules: Record<string, string>;
  /** Everything outside the blocks, by full name. */
  whole: Record<string, string>;
  /** q, k and v are one matrix here. */
  fused?: string;
  /** Two kernels that are the frames of one. */
  frames?: boolean;
  plusOne?: string[];
  /** Linears have their weight one level further down. */
  wrapped?: boolean;
  width: number;
}

export function towerTensors(tensors: Tensors, names: TowerNames): Renamed[] {
  const swapped = isSwapped(tensors, names.width);
  const single = [...tensors].flatMap(([from]): Renamed[] => {
    if (names.whole[from] !== undefined)
      return [
        { name: names.whole[from], from: [from], ...(names.plusOne?.includes(from) && { plusOne: true }) },
      ];
    const [, index, stored, kind] = VISION_LAYER.exec(from) ?? [];
    if (stored === undefined) return [];
    const named = names.modules[swapped ? (OTHER_SIDE[stored] ?? stored) : stored];
    const inner = names.wrapped && kind === 'weight' && named?.endsWith('_proj') ? '.linear' : '';
    const module = named === undefined ? undefined : `${named}${inner}`;
    return module === undefined
      ? []
      : [{ name: `${names.prefix}${names.block}.${index}.${module}.${kind}`, from: [from] }];
  });
  return [...single, ...fusedTensors(tensors, names), ...framedKernel(tensors, names)];
}

const OTHER_SIDE: Record<string, string> = { ffn_up: 'ffn_down', ffn_down: 'ffn_up' };

/** Older converters exchanged the names of the two linears of the MLP. */
function isSwapped(tensors: Tensors, width: number): boolean {
  const [up, down] = ['ffn_up', 'ffn_down'].map((name) =>
    tensors.get(`v.blk.0.${name}.weight`)?.shape.at(-1),
  );
  return up !== undefined && up !== width && down === width;
}

function fusedTensors(tensors: Tensors, { prefix, block, fused }: TowerNames): Renamed[] {
  if (fused === undefined) return [];
  const made: Renamed[] = [];
  for (const [from, { shape }] of tensors) {
    const [, index, kind] = /^v\.blk\.(\d+)\.attn_q\.(weight|bias)$/.exec(from) ?? [];
    if (index === undefined) continue;
    const parts = ['q', 'k', 'v'].map((part) => `v.blk.${index}.attn_${part}.${kind}`);
    if (!parts.every((part) => tensors.has(part))) continue;
    made.push({
      name: `${prefix}${block}.${index}.${fused}.${kind}`,
      from: parts,
      shape: [3 * shape[0]!, ...shape.slice(1)],
    });
  }
  return made;
}

/** [out, channels, height, width] of each frame → [out, channels, frames, height, width] */
function framedKernel(tensors: Tensors, { prefix, frames }: TowerNames): Renamed[] {
  const first = tensors.get('v.patch_embd.weight');
  if (!frames || !first) return [];
  const [out, channels, height, width] = first.shape as [number, number, number, number];
  return [
    {
      name: `${prefix}patch_embed.proj.weight`,
      from: ['v.patch_embd.weight', 'v.patch_embd.weight.1'],
      view: { shape: first.shape, permute: [1, 2, 0, 3, 4] },
      shape: [out, channels, 2, height, width],
    },
  ];
}

/** [out, channels, height, width] → rows of a matrix, the channels of a pixel together. */
export function pixelRows(tensors: Tensors, name: string): Renamed[] {
  const stored = tensors.get('v.patch_embd.weight');
  if (!stored) return [];
  const [out, ...rest] = stored.shape as [number, ...number[]];
  const view = { shape: stored.shape, permute: [0, 2, 3, 1] };
  return [{ name, from: ['v.patch_embd.weight'], view, shape: [out, rest.reduce((a, b) => a * b, 1)] }];
}

/** As families see it. */
export function infoOf({ from, view, shape, values, plusOne }: Renamed, tensors: Tensors): StoredTensorInfo {
  const stored = tensors.get(from[0]!)!;
  return {
    dtype: stored.dtype,
    shape: shape ?? stored.shape,
    made: { tensors: from, ...(view && { permute: view.permute }), ...(values && { values }) },
    ...(plusOne && { plusOne }),
  };
}
