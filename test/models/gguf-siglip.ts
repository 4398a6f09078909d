// Gemma 3, Gemma 4 and SmolVLM as llama.cpp's converter writes them.
import {
  added,
  decoderKeys,
  decoderOf,
  LLAMA_NORMS,
  GEMMA_NORMS,
  readJson,
  renamed,
  towerKeys,
  type Convert,
  type Entry,
  type Json,
  type Tensor,
} from './gguf-parts.js';

const SIGLIP: [RegExp, string][] = [
  [/^embeddings\.patch_embedding/, 'v.patch_embd'],
  [/^embeddings\.position_embedding/, 'v.position_embd'],
  [/^post_layernorm/, 'v.post_ln'],
  [/^encoder\.layers\.(\d+)\./, 'v.blk.$1.'],
  [/layer_norm([12])/, 'ln$1'],
  [/self_attn\.out_proj/, 'attn_out'],
  [/self_attn\.([qkv])_proj/, 'attn_$1'],
  [/mlp\.fc1/, 'ffn_up'],
  [/mlp\.fc2/, 'ffn_down'],
];

const under = (tensors: Map<string, Tensor>, prefix: string): Tensor[] =>
  [...tensors.values()]
    .filter(({ name }) => name.startsWith(prefix))
    .map((tensor) => ({ ...tensor, name: renamed(tensor.name.slice(prefix.length), SIGLIP) }));

const siglipSizes = (vision: Json): Record<string, unknown> => ({
  image_size: vision['image_size'],
  patch_size: vision['patch_size'],
  embedding_length: vision['hidden_size'],
  feed_forward_length: vision['intermediate_size'],
  block_count: vision['num_hidden_layers'],
  'attention.head_count': vision['num_attention_heads'],
});

export const gemma3: Convert = ({ config, tensors, source }) => {
  const [text, vision] = [config['text_config'], config['vision_config']] as [Json, Json];
  const projector = (name: string): Tensor => tensors.get(`multi_modal_projector.${name}`)!;
  const scaling = text['rope_scaling'] as { rope_type: string; factor: number };
  const side = Number(vision['image_size']) / Number(vision['patch_size']);
  return {
    metadata: [
      ...decoderKeys('gemma3', { rope_theta: 1e6, ...text }),
      ['gemma3.rope.scaling.type', 'str', scaling.rope_type],
      ['gemma3.rope.scaling.factor', 'f32', scaling.factor],
      ['gemma3.attention.sliding_window', 'u32', text['sliding_window']],
      ['gemma3.attention.sliding_window_pattern', 'u32', text['sliding_window_pattern']],
      ['gemma3.attention.scale', 'f32', Number(text['query_pre_attn_scalar']) ** -0.5],
    ],
    tower: [
      ...towerKeys('gemma3', source, siglipSizes(vision)),
      ['clip.vision.projector.scale_factor', 'u32', side / Math.sqrt(Number(config['mm_tokens_per_image']))],
    ],
    text: decoderOf(tensors, 'language_model.model.', GEMMA_NORMS, (tensor) =>
      tensor.name.endsWith('norm.weight') ? added(tensor) : tensor,
    ),
    vision: [
      ...under(tensors, 'vision_tower.vision_model.'),
      { ...projector('mm_input_projection_weight'), name: 'mm.input_projection.weight' },
      { ...added(projector('mm_soft_emb_norm.weight')), name: 'mm.soft_emb_norm.weight' },
    ],
    tokenizer: { model: 'llama' },
  };
};

/** Rows i and i + d/2 of a head become neighbours. */
function paired(tensor: Tensor, heads: number): Tensor {
  const rows = tensor.shape[0]!;
  const each = tensor.data.length / rows;
  const dim = rows / heads;
  const data = new Float32Array(tensor.data.length);
  for (let row = 0; row < rows; row++) {
    const [head, within] = [Math.floor(row / dim), row % dim];
    const to = head * dim + (within % (dim / 2)) * 2 + Math.floor(within / (dim / 2));
    data.set(tensor.data.subarray(row * each, (row + 1) * each), to * each);
  }
  return { ...tensor, data };
}

export const smolvlm: Convert = ({ config, tensors, source }) => {
  const [text, vision] = [config['text_config'], config['vision_config']] as [Json, Json];
  const { size } = readJson(source, 'preprocessor_config.json') as { size: { longest_edge: number } };
  const heads = { q: Number(text['num_attention_heads']), k: Number(text['num_key_value_heads']) };
  return {
    metadata: decoderKeys('llama', text),
    tower: towerKeys('idefics3', source, {
      ...siglipSizes(vision),
      'projector.scale_factor': config['scale_factor'],
      preproc_image_size: size.longest_edge,
    }),
    text: decoderOf(tensors, 'model.text_model.', LLAMA_NORMS, (tensor) => {
      const letter = /self_attn\.([qk])_proj/.exec(tensor.name)?.[1] as 'q' | 'k' | undefined;
      return letter ? paired(tensor, heads[letter]) : tensor;
    }),
    vision: [
      ...under(tensors, 'model.vision_model.'),
      { ...tensors.get('model.connector.modality_projection.proj.weight')!, name: 'mm.model.fc.weight' },
    ],
    tokenizer: { model: 'gpt2', pre: 'smollm' },
  };
};

const GEMMA4_TOWER: [RegExp, string][] = [
  [/^encoder\.layers\.(\d+)\./, 'v.blk.$1.'],
  [/^patch_embedder\.position_embedding_table$/, 'v.position_embd.weight'],
  [/\.linear\.weight$/, '.weight'],
  [/input_layernorm/, 'ln1'],
  [/post_attention_layernorm/, 'attn_post_norm'],
  [/pre_feedforward_layernorm/, 'ln2'],
  [/post_feedforward_layernorm/, 'ffn_post_norm'],
  [/self_attn\.o_proj/, 'attn_out'],
  [/self_attn\.([qkv])_proj/, 'attn_$1'],
  [/self_attn\.([qk])_norm/, 'attn_$1_norm'],
  [/mlp\.(up|gate|down)_proj/, 'ffn_$1'],
];

/** Rows of pixels, channels last → kernels, channels first. */
function kernels({ shape, data }: Tensor): Tensor {
  const [out, size] = shape as [number, number];
  const area = size / 3;
  const side = Math.sqrt(area);
  return {
    name: 'v.patch_embd.weight',
    shape: [out, 3, side, side],
    data: Float32Array.from({ length: data.length }, (_, i) => {
      const [row, channel, pixel] = [Math.floor(i / size), Math.floor((i % size) / area), i % area];
      return data[row * size + pixel * 3 + channel]!;
    }),
  };
}

export const gemma4: Convert = ({ config, tensors, source }) => {
  const [text, vision] = [config['text_config'], config['vision_config']] as [Json, Json];
  const ropes = text['rope_parameters'] as Record<string, { rope_theta: number }>;
  const types = text['layer_types'] as string[];
  const [inner, shared] = [Number(text['intermediate_size']), Number(text['num_kv_shared_layers'])];
  const settings = (readJson(source, 'processor_config.json') as { image_processor: Json }).image_processor;
  const tower = [...tensors.values()].flatMap((tensor): Tensor[] => {
    const path = /^model\.vision_tower\.(.*)$/.exec(tensor.name)?.[1];
    if (path === undefined) return [];
    if (path === 'patch_embedder.input_proj.weight') return [kernels(tensor)];
    const shape = tensor.shape.length === 0 ? [1] : tensor.shape;
    return [{ ...tensor, shape, name: renamed(path, GEMMA4_TOWER) }];
  });
  return {
    metadata: [
      ...decoderKeys('gemma4', {
        ...text,
        head_dim: text['global_head_dim'],
        intermediate_size: undefined,
        rope_theta: ropes['full_attention']!.rope_theta,
      }),
      [
        'gemma4.feed_forward_length',
        'u32',
        types.map((_, i) => (i < types.length - shared ? inner : 2 * inner)),
      ],
      ['gemma4.attention.key_length_swa', 'u32', text['head_dim']],
      ['gemma4.attention.sliding_window', 'u32', text['sliding_window']],
      ['gemma4.attention.sliding_window_pattern', 'bool', types.map((type) => type === 'sliding_attention')],
      ['gemma4.attention.shared_kv_layers', 'u32', shared],
      ['gemma4.embedding_length_per_layer_input', 'u32', text['hidden_size_per_layer_input']],
      ['gemma4.final_logit_softcapping', 'f32', text['final_logit_softcapping']],
      ['gemma4.rope.freq_base_swa', 'f32', ropes['sliding_attention']!.rope_theta],
      ...(text['num_experts'] ? [['gemma4.expert_count', 'u32', text['num_experts']] as Entry] : []),
    ],
    tower: [
      ['general.architecture', 'str', 'clip'],
      ['clip.vision.projector_type', 'str', 'gemma4v'],
      ['clip.vision.image_mean', 'f32', settings['image_mean']],
      ['clip.vision.image_std', 'f32', settings['image_std']],
      ...Object.entries({ ...siglipSizes(vision), image_size: 224 }).map(([key, value]): Entry => [
        `clip.vision.${key}`,
        'u32',
        value,
      ]),
    ],
    text: decoderOf(tensors, 'model.language_model.', [
      [/layer_scalar$/, 'layer_output_scale.weight'],
      [/per_layer_input_gate/, 'inp_gate'],
      [/post_per_layer_input_norm/, 'post_norm'],
      [/per_layer_projection_norm/, 'per_layer_proj_norm'],
      [/per_layer_projection/, 'proj'],
      [/^embed_tokens_per_layer/, 'per_layer_token_embd'],
      [/^per_layer_model_projection/, 'per_layer_model_proj'],
      ...GEMMA_NORMS,
    ]),
    vision: [
      ...tower,
      {
        ...tensors.get('model.embed_vision.embedding_projection.weight')!,
        name: 'mm.input_projection.weight',
      },
    ],
    tokenizer: { model: 'gemma4' },
  };
};
