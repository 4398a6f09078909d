// Qwen2-VL to Qwen3.5 as llama.cpp keeps them, with and without experts.
// https://github.com/ggml-org/llama.cpp (conversion/qwen3vl.py, qwen.py)
import { AfterimageError } from '../../errors.js';
import type { Json } from '../checkpoint/json-file.js';
import type { GgufFile } from './gguf-file.js';
import {
  missing,
  normalization,
  textConfig,
  TextKeys,
  visionKey,
  type GgufFamily,
  type GgufPair,
} from './gguf-keys.js';
import { decoderTensors, towerTensors, type Renamed } from './gguf-names.js';

/** Limits of the families' own settings, where the files state none. */
function qwenProcessor(limits: [least: number, most: number]): (pair: GgufPair) => Json {
  return (pair) => ({
    ...normalization(pair),
    patch_size: visionKey(pair, 'patch_size'),
    temporal_patch_size: 2,
    merge_size: pair.vision.number('clip.vision.spatial_merge_size') ?? 2,
    min_pixels: pair.vision.number('clip.vision.image_min_pixels') ?? limits[0],
    max_pixels: pair.vision.number('clip.vision.image_max_pixels') ?? limits[1],
    resample: 3,
  });
}

function qwenConfig(
  pair: GgufPair,
  tokenId: (token: string) => number | undefined,
  interleaved: boolean,
): Json {
  const sections = new TextKeys(pair.text).list<number>('rope.dimension_sections');
  return {
    ...textConfig(pair),
    rope_scaling: {
      rope_type: 'default',
      mrope_interleaved: interleaved,
      mrope_section:
        sections?.slice(0, 3) ??
        missing(pair.text, `${pair.text.text('general.architecture')}.rope.dimension_sections`),
    },
    image_token_id: tokenId('<|image_pad|>'),
  };
}

const QWEN_BLOCK = { ln1: 'norm1', ln2: 'norm2', attn_out: 'attn.proj', attn_qkv: 'attn.qkv' };

const qwenVision = (pair: GgufPair): Json => ({
  depth: visionKey(pair, 'block_count'),
  num_heads: visionKey(pair, 'attention.head_count'),
  patch_size: visionKey(pair, 'patch_size'),
  spatial_merge_size: pair.vision.number('clip.vision.spatial_merge_size') ?? 2,
  temporal_patch_size: 2,
});

/** Some converters leave the width of the MLP at 0: the tensors have it. */
function innerWidth({ vision }: GgufPair): number {
  const up = vision.tensors.get('v.blk.0.ffn_up.weight')?.shape ?? missing(vision, 'v.blk.0.ffn_up.weight');
  const width = vision.number('clip.vision.embedding_length');
  return up[0] === width ? up[1]! : up[0]!;
}

function qwen2Tensors(modules: Record<string, string>): GgufFamily['tensors'] {
  return ({ text, vision }) => ({
    text: decoderTensors(text.tensors, { prefix: 'model.' }),
    vision: towerTensors(vision.tensors, {
      prefix: 'visual.',
      block: 'blocks',
      modules: { ...QWEN_BLOCK, ...modules },
      whole: {
        'v.post_ln.weight': 'visual.merger.ln_q.weight',
        'v.post_ln.bias': 'visual.merger.ln_q.bias',
        'mm.0.weight': 'visual.merger.mlp.0.weight',
        'mm.0.bias': 'visual.merger.mlp.0.bias',
        'mm.2.weight': 'visual.merger.mlp.2.weight',
        'mm.2.bias': 'visual.merger.mlp.2.bias',
      },
      fused: 'attn.qkv',
      frames: true,
      width: visionKey({ text, vision }, 'embedding_length'),
    }),
  });
}

export const qwen2Vl: GgufFamily = {
  architecture: 'qwen2vl',
  projector: 'qwen2vl_merger',
  config: (pair, tokenId) => ({
    ...qwenConfig(pair, tokenId, false),
    model_type: 'qwen2_vl',
    vision_config: {
      ...qwenVision(pair),
      embed_dim: visionKey(pair, 'embedding_length'),
      mlp_ratio: innerWidth(pair) / visionKey(pair, 'embedding_length'),
    },
  }),
  imageProcessor: qwenProcessor([56 * 56, 28 * 28 * 16384]),
  tensors: qwen2Tensors({ ffn_up: 'mlp.fc1', ffn_down: 'mlp.fc2' }),
};

export const qwen2_5Vl: GgufFamily = {
  architecture: 'qwen2vl',
  projector: 'qwen2.5vl_merger',
  config: (pair, tokenId) => ({
    ...qwenConfig(pair, tokenId, false),
    model_type: 'qwen2_5_vl',
    vision_config: {
      ...qwenVision(pair),
      hidden_size: visionKey(pair, 'embedding_length'),
      intermediate_size: innerWidth(pair),
      hidden_act: 'silu',
      tokens_per_second: 2, // of every published size; no header has it, and the class default is another
      window_size: pair.vision.number('clip.vision.window_size') ?? 112,
      fullatt_block_indexes: everyNth(visionKey(pair, 'block_count'), visionKey(pair, 'n_wa_pattern')),
    },
  }),
  imageProcessor: qwenProcessor([56 * 56, 28 * 28 * 16384]),
  tensors: qwen2Tensors({ ffn_up: 'mlp.up_proj', ffn_gate: 'mlp.gate_proj', ffn_down: 'mlp.down_proj' }),
};

const everyNth = (count: number, n: number): number[] =>
  Array.from({ length: count }, (_, i) => i).filter((i) => (i + 1) % n === 0);

/** What no file of Qwen3-VL and Qwen3.5 states of frames: their makers' video_preprocessor_config.json. */
const QWEN3_FRAMES: Json = { size: { shortest_edge: 4096, longest_edge: 25_165_824 } };

const qwen3Family = (
  architecture: string,
  model_type: string,
  text: (pair: GgufPair, shared: Json) => Json,
  tensors: (pair: GgufPair) => Renamed[],
): GgufFamily => ({
  architecture,
  projector: 'qwen3vl_merger',
  config: (pair, tokenId) => {
    const { image_token_id, tie_word_embeddings, ...shared } = qwenConfig(pair, tokenId, true);
    return {
      model_type,
      image_token_id,
      tie_word_embeddings,
      text_config: text(pair, shared),
      vision_config: qwen3Vision(pair),
    };
  },
  imageProcessor: qwenProcessor([65_536, 16_777_216]),
  videoProcessor: QWEN3_FRAMES,
  tensors: (pair) => ({ text: tensors(pair), vision: qwen3Tower(pair) }),
});

const qwen3Vision = (pair: GgufPair): Json => ({
  ...qwenVision(pair),
  hidden_size: visionKey(pair, 'embedding_length'),
  intermediate_size: innerWidth(pair),
  hidden_act: 'gelu_pytorch_tanh',
  num_position_embeddings: pair.vision.tensors.get('v.position_embd.weight')?.shape[0],
  deepstack_visual_indexes: deepstackBlocks(pair),
});

const qwen3Tower = (pair: GgufPair): Renamed[] =>
  towerTensors(pair.vision.tensors, {
    prefix: 'model.visual.',
    block: 'blocks',
    modules: { ...QWEN_BLOCK, ffn_up: 'mlp.linear_fc1', ffn_down: 'mlp.linear_fc2' },
    whole: {
      'v.patch_embd.bias': 'model.visual.patch_embed.proj.bias',
      'v.position_embd.weight': 'model.visual.pos_embed.weight',
      ...bothKinds('v.post_ln', 'model.visual.merger.norm'),
      ...bothKinds('mm.0', 'model.visual.merger.linear_fc1'),
      ...bothKinds('mm.2', 'model.visual.merger.linear_fc2'),
      ...Object.assign({}, ...deepstackBlocks(pair).map(deepstackNames)),
    },
    fused: 'attn.qkv',
    frames: true,
    width: visionKey(pair, 'embedding_length'),
  });

const QWEN3_TEXT = { prefix: 'model.language_model.' };

export const qwen3Vl = qwen3Family(
  'qwen3vl',
  'qwen3_vl',
  (_pair, shared) => shared,
  (pair) => decoderTensors(pair.text.tensors, QWEN3_TEXT),
);

const hasTensor = ({ text }: GgufPair, layer: number, module: string): boolean =>
  text.tensors.has(`blk.${layer}.${module}.weight`);

function layersOf(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Router and experts, as both kinds with experts state them. */
function expertsConfig({ text }: GgufPair): Json {
  const keys = new TextKeys(text);
  return {
    num_experts: keys.number('expert_count'),
    num_experts_per_tok: keys.number('expert_used_count'),
    moe_intermediate_size: keys.number('expert_feed_forward_length'),
    norm_topk_prob: true,
  };
}

export const qwen3VlMoe = qwen3Family(
  'qwen3vlmoe',
  'qwen3_vl_moe',
  (pair, shared) => ({
    ...shared,
    ...expertsConfig(pair),
    mlp_only_layers: layersOf(Number(shared['num_hidden_layers'])).filter(
      (layer) => !hasTensor(pair, layer, 'ffn_gate_inp'),
    ),
  }),
  (pair) => decoderTensors(pair.text.tensors, QWEN3_TEXT),
);

/** Without the head for guesses, which newer files append as further layers. */
function deltaConfig(pair: GgufPair, { rope_scaling, rope_theta, ...shared }: Json): Json {
  const keys = new TextKeys(pair.text);
  const layers = keys.number('block_count') - (keys.optional('nextn_predict_layers') ?? 0);
  const valueHeads = keys.number('ssm.time_step_rank');
  return {
    ...shared,
    num_hidden_layers: layers,
    num_key_value_heads:
      keys.list<number>('attention.head_count_kv')?.find((heads) => heads > 0) ??
      shared['num_key_value_heads'],
    layer_types: layersOf(layers).map((layer) =>
      hasTensor(pair, layer, 'ssm_out') ? 'linear_attention' : 'full_attention',
    ),
    rope_parameters: {
      ...(rope_scaling as Json),
      rope_theta,
      partial_rotary_factor: keys.number('rope.dimension_count') / keys.number('attention.key_length'),
    },
    linear_num_key_heads: keys.number('ssm.group_count'),
    linear_num_value_heads: valueHeads,
    linear_key_head_dim: keys.number('ssm.state_size'),
    linear_value_head_dim: keys.number('ssm.inner_size') / valueHeads,
    linear_conv_kernel_dim: keys.number('ssm.conv_kernel'),
    linear_heads_tiled: true,
  };
}

/**
 * Norms have their 1 added, as MLX's have, so kernels are shown in MLX's shape, too. Value heads stand in another order
 * (`linear_heads_tiled`). Decays are −e^A.
 */
function deltaTensors({ text }: GgufPair): Renamed[] {
  const layers = decoderTensors(text.tensors, { ...QWEN3_TEXT, layer: 'delta' }).map((made) => {
    const stored = text.tensors.get(made.from[0]!)!.shape;
    if (made.name.endsWith('.conv1d.weight')) return { ...made, shape: [...stored, 1] };
    return made.name.endsWith('.shared_expert_gate.weight') ? { ...made, shape: [1, stored.at(-1)!] } : made;
  });
  return [...layers, ...[...text.tensors.keys()].flatMap((from) => decays(text, from))];
}

/** @throws AfterimageError INVALID_CHECKPOINT */
function decays(text: GgufFile, from: string): Renamed[] {
  const [, layer, name] = /^blk\.(\d+)\.(ssm_a|ssm_dt\.bias)$/.exec(from) ?? [];
  if (layer === undefined) return [];
  const module = `model.language_model.layers.${layer}.linear_attn`;
  if (name !== 'ssm_a') return [{ name: `${module}.dt_bias`, from: [from] }];
  const values = Array.from(text.floats(from), (decay) => Math.fround(Math.log(-decay)));
  if (values.every(Number.isFinite)) return [{ name: `${module}.A_log`, from: [from], values }];
  throw new AfterimageError(
    'INVALID_CHECKPOINT',
    `"${text.path}" has decays in "${from}" that are not negative; take a file that a newer llama.cpp converted.`,
  );
}

export const qwen3_5 = qwen3Family('qwen35', 'qwen3_5', deltaConfig, deltaTensors);

export const qwen3_5Moe = qwen3Family(
  'qwen35moe',
  'qwen3_5_moe',
  (pair, shared) => ({
    ...deltaConfig(pair, shared),
    ...expertsConfig(pair),
    shared_expert_intermediate_size: new TextKeys(pair.text).number('expert_shared_feed_forward_length'),
  }),
  deltaTensors,
);

const bothKinds = (from: string, name: string): Record<string, string> => ({
  [`${from}.weight`]: `${name}.weight`,
  [`${from}.bias`]: `${name}.bias`,
});

function deepstackNames(block: number, i: number): Record<string, string> {
  const name = `model.visual.deepstack_merger_list.${i}`;
  return {
    ...bothKinds(`v.deepstack.${block}.norm`, `${name}.norm`),
    ...bothKinds(`v.deepstack.${block}.fc1`, `${name}.linear_fc1`),
    ...bothKinds(`v.deepstack.${block}.fc2`, `${name}.linear_fc2`),
  };
}

function deepstackBlocks({ vision }: GgufPair): number[] {
  const tapped = vision.list<boolean>('clip.vision.is_deepstack_layers') ?? [];
  return tapped.flatMap((is, block) => (is ? [block] : []));
}
