// Each family that llama.cpp keeps as a pair of files, by the decoder's architecture and the projector's type: its
// config.json, its image settings and its tensors, as the family's own file reads them.
import { AfterimageError } from '../../errors.js';
import type { Json } from '../checkpoint/json-file.js';
import { decoderTensors, towerTensors, type TowerNames } from './gguf-names.js';
import { gemma4 } from './gguf-gemma4.js';
import {
  missing,
  normalization,
  textConfig,
  TextKeys,
  visionKey,
  type GgufFamily,
  type GgufPair,
} from './gguf-keys.js';

const SIGLIP_MODULES = {
  ln1: 'layer_norm1',
  ln2: 'layer_norm2',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_out: 'self_attn.out_proj',
  ffn_up: 'mlp.fc1',
  ffn_down: 'mlp.fc2',
};

const siglipNames = (prefix: string, width: number): TowerNames => ({
  prefix,
  block: 'encoder.layers',
  modules: SIGLIP_MODULES,
  whole: {
    'v.patch_embd.weight': `${prefix}embeddings.patch_embedding.weight`,
    'v.patch_embd.bias': `${prefix}embeddings.patch_embedding.bias`,
    'v.position_embd.weight': `${prefix}embeddings.position_embedding.weight`,
    'v.post_ln.weight': `${prefix}post_layernorm.weight`,
    'v.post_ln.bias': `${prefix}post_layernorm.bias`,
  },
  width,
});

/** Without layer_norm_eps: the converter writes 1e-5 for SmolVLM, whose models have 1e-6. */
function siglipConfig(pair: GgufPair): Json {
  return {
    hidden_size: visionKey(pair, 'embedding_length'),
    intermediate_size: visionKey(pair, 'feed_forward_length'),
    num_hidden_layers: visionKey(pair, 'block_count'),
    num_attention_heads: visionKey(pair, 'attention.head_count'),
    image_size: visionKey(pair, 'image_size'),
    patch_size: visionKey(pair, 'patch_size'),
    hidden_act: 'gelu_pytorch_tanh',
  };
}

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

const qwen2Vl: GgufFamily = {
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

const qwen2_5Vl: GgufFamily = {
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

const qwen3Vl: GgufFamily = {
  architecture: 'qwen3vl',
  projector: 'qwen3vl_merger',
  config: (pair, tokenId) => {
    const { image_token_id, tie_word_embeddings, ...text } = qwenConfig(pair, tokenId, true);
    const table = pair.vision.tensors.get('v.position_embd.weight');
    return {
      model_type: 'qwen3_vl',
      image_token_id,
      tie_word_embeddings,
      text_config: text,
      vision_config: {
        ...qwenVision(pair),
        hidden_size: visionKey(pair, 'embedding_length'),
        intermediate_size: innerWidth(pair),
        hidden_act: 'gelu_pytorch_tanh',
        num_position_embeddings: table?.shape[0],
        deepstack_visual_indexes: deepstackBlocks(pair),
      },
    };
  },
  imageProcessor: qwenProcessor([65_536, 16_777_216]),
  tensors: (pair) => ({
    text: decoderTensors(pair.text.tensors, { prefix: 'model.language_model.' }),
    vision: towerTensors(pair.vision.tensors, {
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
    }),
  }),
};

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

/** Layers of Gemma 3 27B, whose scores are divided by another root. */
const GEMMA3_27B_LAYERS = 62;

const gemma3: GgufFamily = {
  architecture: 'gemma3',
  projector: 'gemma3',
  tokens: ['<image_soft_token>'],
  config: (pair, tokenId) => {
    const keys = new TextKeys(pair.text);
    const { rope_theta, ...text } = textConfig(pair);
    const [hidden, heads] = [keys.number('embedding_length'), keys.number('attention.head_count')];
    const scale = keys.optional('attention.scale');
    const usual =
      text['num_hidden_layers'] === GEMMA3_27B_LAYERS ? hidden / heads : Number(text['head_dim'] ?? 256);
    const side = Math.floor(visionKey(pair, 'image_size') / visionKey(pair, 'patch_size'));
    return {
      model_type: 'gemma3',
      image_token_index: tokenId('<image_soft_token>'),
      mm_tokens_per_image: (side / (pair.vision.number('clip.vision.projector.scale_factor') ?? 4)) ** 2,
      text_config: {
        ...text,
        rope_theta,
        rope_local_base_freq: keys.optional('rope.freq_base_swa') ?? 10000,
        query_pre_attn_scalar: scale === undefined ? usual : 1 / scale ** 2,
        sliding_window: keys.optional('attention.sliding_window'),
        sliding_window_pattern: keys.optional('attention.sliding_window_pattern') ?? 6,
      },
      vision_config: siglipConfig(pair),
    };
  },
  imageProcessor: (pair) => {
    const side = visionKey(pair, 'image_size');
    return {
      ...normalization(pair),
      size: { height: side, width: side },
      resample: 2,
      do_pan_and_scan: false,
    };
  },
  tensors: (pair) => {
    const names = siglipNames('vision_tower.vision_model.', visionKey(pair, 'embedding_length'));
    const whole = {
      ...names.whole,
      'mm.input_projection.weight': 'multi_modal_projector.mm_input_projection_weight',
      'mm.soft_emb_norm.weight': 'multi_modal_projector.mm_soft_emb_norm.weight',
    };
    return {
      text: decoderTensors(pair.text.tensors, {
        prefix: 'language_model.model.',
        layer: 'gemma',
        plusOne: true,
      }),
      vision: towerTensors(pair.vision.tensors, { ...names, whole, plusOne: ['mm.soft_emb_norm.weight'] }),
    };
  },
};

const smolVlm: GgufFamily = {
  architecture: 'llama',
  projector: 'idefics3',
  config: (pair, tokenId) => {
    const { tie_word_embeddings, ...text } = textConfig(pair);
    return {
      model_type: 'smolvlm',
      image_token_id: tokenId('<image>'),
      scale_factor: visionKey(pair, 'projector.scale_factor'),
      tie_word_embeddings,
      text_config: { ...text, tie_word_embeddings },
      vision_config: siglipConfig(pair),
    };
  },
  imageProcessor: (pair) => {
    const frame = visionKey(pair, 'image_size');
    const longest = pair.vision.number('clip.vision.preproc_image_size') ?? 4 * frame;
    return {
      ...normalization(pair),
      do_image_splitting: true,
      size: { longest_edge: longest },
      max_image_size: { longest_edge: frame },
      resample: 1,
    };
  },
  tensors: (pair) => {
    const keys = new TextKeys(pair.text);
    const heads = keys.number('attention.head_count');
    const paired = { attn_q: heads, attn_k: keys.optional('attention.head_count_kv') ?? heads };
    const names = siglipNames('model.vision_model.', visionKey(pair, 'embedding_length'));
    const whole = { ...names.whole, 'mm.model.fc.weight': 'model.connector.modality_projection.proj.weight' };
    return {
      text: decoderTensors(pair.text.tensors, { prefix: 'model.text_model.', paired }),
      vision: towerTensors(pair.vision.tensors, { ...names, whole }),
    };
  },
};

export const ggufFamilies: readonly GgufFamily[] = [qwen2Vl, qwen2_5Vl, qwen3Vl, gemma3, gemma4, smolVlm];

/** @throws AfterimageError MODEL_UNSUPPORTED naming both files' kinds and the known ones. */
export function ggufFamilyOf({ text, vision }: GgufPair): GgufFamily {
  const architecture = text.text('general.architecture');
  const projector = vision.text('clip.projector_type') ?? vision.text('clip.vision.projector_type');
  const found = ggufFamilies.find(
    (family) => family.architecture === architecture && family.projector === projector,
  );
  if (found) return found;
  const known = ggufFamilies.map((family) => `${family.architecture} with ${family.projector}`).join(', ');
  throw new AfterimageError(
    'MODEL_UNSUPPORTED',
    `"${text.path}" is ${architecture ?? 'nothing'} and "${vision.path}" is for ${projector ?? 'nothing'}; as GGUF are read ${known}. Take an MLX or safetensors checkpoint of this model.`,
  );
}

/** Of llama.cpp's names for decoders. */
export const readsGguf = (architecture: string): boolean =>
  ggufFamilies.some((family) => family.architecture === architecture);
