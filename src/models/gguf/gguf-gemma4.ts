// Gemma 4 as llama.cpp keeps it, but for the one with experts: what differs from layer to layer is stated in lists, and
// what is not stated follows from the tensors.
import { AfterimageError } from '../../errors.js';
import type { Json } from '../checkpoint/json-file.js';
import {
  missing,
  normalization,
  textConfig,
  TextKeys,
  visionKey,
  type GgufFamily,
  type GgufPair,
} from './gguf-keys.js';
import { decoderTensors, pixelRows, towerTensors } from './gguf-names.js';

/** Of the full layers; their frequencies are a tensor of their own in these files. */
const FULL_ROPE = { rope_type: 'proportional', partial_rotary_factor: 0.25 };
/** k × k patches make one token. */
const POOL = 3;
/** The models' own default. */
const SOFT_TOKENS = 280;

export const gemma4: GgufFamily = {
  architecture: 'gemma4',
  projector: 'gemma4v',
  config: (pair, tokenId) => ({
    model_type: 'gemma4',
    tie_word_embeddings: true,
    image_token_id: tokenId('<|image|>'),
    text_config: gemma4Text(pair),
    vision_config: gemma4Vision(pair),
  }),
  imageProcessor: (pair) => ({
    ...normalization(pair),
    do_normalize: false,
    patch_size: visionKey(pair, 'patch_size'),
    pooling_kernel_size: POOL,
    max_soft_tokens: SOFT_TOKENS,
    resample: 3,
  }),
  tensors: (pair) => ({
    text: decoderTensors(pair.text.tensors, { prefix: 'model.language_model.', layer: 'gemma4' }),
    vision: [
      ...towerTensors(pair.vision.tensors, {
        prefix: 'model.vision_tower.',
        block: 'encoder.layers',
        modules: MODULES,
        whole: {
          'v.position_embd.weight': 'model.vision_tower.patch_embedder.position_embedding_table',
          'v.std_bias': 'model.vision_tower.std_bias',
          'v.std_scale': 'model.vision_tower.std_scale',
          'mm.input_projection.weight': 'model.embed_vision.embedding_projection.weight',
        },
        wrapped: true,
        width: visionKey(pair, 'embedding_length'),
      }),
      ...pixelRows(pair.vision.tensors, 'model.vision_tower.patch_embedder.input_proj.weight'),
    ],
  }),
};

const MODULES = {
  ln1: 'input_layernorm',
  attn_post_norm: 'post_attention_layernorm',
  ln2: 'pre_feedforward_layernorm',
  ffn_post_norm: 'post_feedforward_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_out: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

/** @throws AfterimageError MODEL_UNSUPPORTED for the one with experts. */
function gemma4Text(pair: GgufPair): Json {
  const { text } = pair;
  const keys = new TextKeys(text);
  if (keys.optional('expert_count')) {
    throw new AfterimageError(
      'MODEL_UNSUPPORTED',
      `"${text.path}" has experts, which are not read from GGUF; take "mlx-community/gemma-4-26b-a4b-it-4bit".`,
    );
  }
  const { rope_theta, rope_scaling: _scaling, ...shared } = textConfig(pair);
  const sliding =
    keys.list<boolean>('attention.sliding_window_pattern') ??
    missing(text, 'gemma4.attention.sliding_window_pattern');
  const perLayer = keys.optional('embedding_length_per_layer_input') ?? 0;
  const inner = keys.list<number>('feed_forward_length');
  const full = sliding.indexOf(false);
  const keysOnly = full >= 0 && !text.tensors.has(`blk.${full}.attn_v.weight`);
  const heads = keys.list<number>('attention.head_count_kv');
  return {
    ...shared,
    tie_word_embeddings: true,
    layer_types: sliding.map((is) => (is ? 'sliding_attention' : 'full_attention')),
    head_dim: keys.number('attention.key_length_swa'),
    global_head_dim: keys.number('attention.key_length'),
    ...(heads && {
      num_key_value_heads: heads[sliding.indexOf(true)] ?? heads[0],
      num_global_key_value_heads: heads[full] ?? heads[0],
    }),
    attention_k_eq_v: keysOnly,
    num_kv_shared_layers: keys.optional('attention.shared_kv_layers') ?? 0,
    use_double_wide_mlp: inner !== undefined && inner.at(-1) === 2 * inner[0]!,
    hidden_size_per_layer_input: perLayer,
    vocab_size_per_layer_input: text.tensors.get('per_layer_token_embd.weight')?.shape[0],
    // The models with an input per layer see images causally.
    use_bidirectional_attention: perLayer > 0 ? null : 'vision',
    final_logit_softcapping: keys.optional('final_logit_softcapping') ?? 0,
    sliding_window: keys.number('attention.sliding_window'),
    pad_token_id: text.number('tokenizer.ggml.padding_token_id') ?? 0,
    rope_parameters: {
      full_attention: { ...FULL_ROPE, rope_theta },
      sliding_attention: { rope_type: 'default', rope_theta: keys.optional('rope.freq_base_swa') ?? 10000 },
    },
  };
}

function gemma4Vision(pair: GgufPair): Json {
  const { tensors } = pair.vision;
  const [width, heads] = [visionKey(pair, 'embedding_length'), visionKey(pair, 'attention.head_count')];
  return {
    hidden_size: width,
    intermediate_size: visionKey(pair, 'feed_forward_length'),
    num_hidden_layers: visionKey(pair, 'block_count'),
    num_attention_heads: heads,
    head_dim: tensors.get('v.blk.0.attn_q_norm.weight')?.shape[0] ?? width / heads,
    patch_size: visionKey(pair, 'patch_size'),
    pooling_kernel_size: POOL,
    position_embedding_size: tensors.get('v.position_embd.weight')?.shape[1],
    use_clipped_linears: tensors.has('v.blk.0.attn_q.input_max'),
    standardize: tensors.has('v.std_bias'),
  };
}
