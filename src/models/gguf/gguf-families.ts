// Each family that llama.cpp keeps as a pair of files, by the decoder's architecture and the projector's type: its
// config.json, its image settings and its tensors, as the family's own file reads them.
import { AfterimageError } from '../../errors.js';
import type { Json } from '../checkpoint/json-file.js';
import { decoderTensors, towerTensors, type TowerNames } from './gguf-names.js';
import { gemma4 } from './gguf-gemma4.js';
import { qwen2_5Vl, qwen2Vl, qwen3_5, qwen3_5Moe, qwen3Vl, qwen3VlMoe } from './gguf-qwen.js';
import {
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

export const ggufFamilies: readonly GgufFamily[] = [
  ...[qwen2Vl, qwen2_5Vl, qwen3Vl, qwen3VlMoe, qwen3_5, qwen3_5Moe],
  ...[gemma3, gemma4, smolVlm],
];

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
