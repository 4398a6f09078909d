// Qwen2-VL to Qwen3.5 as llama.cpp's converter writes them.
import {
  added,
  decoderKeys,
  decoderOf,
  LLAMA_NORMS,
  readJson,
  renamed,
  towerKeys,
  type Convert,
  type Entry,
  type Json,
  type Tensor,
} from './gguf-parts.js';

/** The converter's frames: [out, channels, 2, h, w] → two of [out, channels, h, w]. */
function frames({ shape, data }: Tensor): Tensor[] {
  const [out, channels, count, height, width] = shape as [number, number, number, number, number];
  const area = height * width;
  return Array.from({ length: count }, (_, t) => ({
    name: `v.patch_embd.weight${t ? `.${t}` : ''}`,
    shape: [out, channels, height, width],
    data: Float32Array.from({ length: out * channels * area }, (_v, i) => {
      const [kernel, pixel] = [Math.floor(i / area), i % area];
      return data[(kernel * count + t) * area + pixel]!;
    }),
  }));
}

const part = ({ shape, data }: Tensor, name: string, i: number): Tensor => {
  const rows = shape[0]! / 3;
  const each = data.length / 3;
  return { name, shape: [rows, ...shape.slice(1)], data: data.slice(i * each, (i + 1) * each) };
};

function qwenTower(tensors: Map<string, Tensor>, rules: [RegExp, string][], splits: boolean): Tensor[] {
  return [...tensors.values()].flatMap((tensor): Tensor[] => {
    const path = /^(?:model\.)?visual\.(.*)$/.exec(tensor.name)?.[1];
    if (path === undefined) return [];
    if (path === 'patch_embed.proj.weight') return frames(tensor);
    const name = renamed(path, [
      [/^patch_embed\.proj/, 'v.patch_embd'],
      [/^pos_embed/, 'v.position_embd'],
      [/^blocks\.(\d+)\./, 'v.blk.$1.'],
      [/\.norm1\./, '.ln1.'],
      [/\.norm2\./, '.ln2.'],
      [/attn\.proj/, 'attn_out'],
      [/attn\.qkv/, 'attn_qkv'],
      ...rules,
    ]);
    if (!splits || !name.includes('attn_qkv')) return [{ ...tensor, name }];
    return ['q', 'k', 'v'].map((letter, i) => part(tensor, name.replace('attn_qkv', `attn_${letter}`), i));
  });
}

function qwenSizes(source: string, vision: Json, width: unknown, inner: unknown): Record<string, unknown> {
  const settings = readJson(source, 'preprocessor_config.json');
  const size = settings['size'] as Record<string, number> | undefined;
  return {
    image_size: 560,
    patch_size: vision['patch_size'],
    embedding_length: width,
    feed_forward_length: inner,
    block_count: vision['depth'],
    'attention.head_count': vision['num_heads'],
    spatial_merge_size: vision['spatial_merge_size'],
    image_min_pixels: settings['min_pixels'] ?? size?.['shortest_edge'],
    image_max_pixels: settings['max_pixels'] ?? size?.['longest_edge'],
  };
}

const sections = (arch: string, text: Json): Entry => [
  `${arch}.rope.dimension_sections`,
  'i32',
  [...((text['rope_scaling'] ?? text['rope_parameters']) as { mrope_section: number[] }).mrope_section, 0],
];

export const qwen2: Convert = ({ config, tensors, source }) => {
  const vision = config['vision_config'] as Json;
  const newer = config['model_type'] === 'qwen2_5_vl';
  const [width, inner] = newer
    ? [vision['hidden_size'], vision['intermediate_size']]
    : [vision['embed_dim'], 0]; // what the converter finds under another name, and writes wrongly
  const blocks = vision['fullatt_block_indexes'] as number[] | undefined;
  const tower = towerKeys(
    newer ? 'qwen2.5vl_merger' : 'qwen2vl_merger',
    source,
    qwenSizes(source, vision, width, inner),
  );
  return {
    metadata: [...decoderKeys('qwen2vl', config), sections('qwen2vl', config)],
    tower: blocks
      ? [
          ...tower,
          ['clip.vision.n_wa_pattern', 'u32', blocks[0]! + 1],
          ['clip.vision.window_size', 'u32', vision['window_size']],
        ]
      : tower,
    text: decoderOf(tensors, 'model.', LLAMA_NORMS),
    vision: qwenTower(
      tensors,
      [
        [/mlp\.fc1/, 'ffn_up'],
        [/mlp\.fc2/, 'ffn_down'],
        [/mlp\.(up|gate|down)_proj/, 'ffn_$1'],
        [/^merger\.ln_q/, 'v.post_ln'],
        [/^merger\.mlp\./, 'mm.'],
      ],
      true,
    ),
    tokenizer: { model: 'gpt2', pre: 'qwen2' },
  };
};

/** [experts, in, out] of every expert → [experts, out, in], and back. */
export function turned({ name, shape, data }: Tensor): Tensor {
  const [experts, rows, columns] = shape as [number, number, number];
  return {
    name,
    shape: [experts, columns, rows],
    data: data.map((_, i) => {
      const [row, column] = [i % rows, Math.floor(i / rows) % columns];
      return data[(Math.floor(i / (rows * columns)) * rows + row) * columns + column]!;
    }),
  };
}

/** Halves of every expert's rows. */
function halves({ shape, data }: Tensor, names: [string, string]): Tensor[] {
  const [experts, rows, columns] = shape as [number, number, number];
  const size = (rows / 2) * columns;
  return names.map((name, half) => ({
    name,
    shape: [experts, rows / 2, columns],
    data: data.filter((_, i) => Math.floor(i / size) % 2 === half),
  }));
}

/** Fused experts as three tensors, however their family stores them. */
function splitExperts(tensors: Map<string, Tensor>, transposed: boolean): Map<string, Tensor> {
  const made = [...tensors.values()].flatMap((tensor): Tensor[] => {
    const [, path, part] = /^(.*\.mlp\.experts\.)(gate_up|down)_proj$/.exec(tensor.name) ?? [];
    if (part === undefined) return [tensor];
    const plain = transposed ? turned(tensor) : tensor;
    if (part === 'down') return [{ ...plain, name: `${path}down_proj.weight` }];
    return halves(plain, [`${path}gate_proj.weight`, `${path}up_proj.weight`]);
  });
  return new Map(made.map((tensor) => [tensor.name, tensor]));
}

const EXPERTS: [RegExp, string][] = [
  [/mlp\.experts\.(gate|up|down)_proj/, 'ffn_$1_exps'],
  [/mlp\.gate\./, 'ffn_gate_inp.'],
  [/mlp\.shared_expert\.(gate|up|down)_proj/, 'ffn_$1_shexp'],
  [/mlp\.shared_expert_gate/, 'ffn_gate_inp_shexp'],
];

function expertKeys(arch: string, text: Json): Entry[] {
  const entry = (key: string, name: string): Entry[] =>
    text[name] === undefined ? [] : [[`${arch}.${key}`, 'u32', text[name]]];
  return [
    ...entry('expert_count', 'num_experts'),
    ...entry('expert_used_count', 'num_experts_per_tok'),
    ...entry('expert_feed_forward_length', 'moe_intermediate_size'),
    ...entry('expert_shared_feed_forward_length', 'shared_expert_intermediate_size'),
  ];
}

/** Value heads of one key head after the other → the first of every key head, then the second of every one. */
function tiled(tensor: Tensor, axis: 0 | 1, first: number, text: Json, headDim: number): Tensor {
  const [keyHeads, valueHeads] = [text['linear_num_key_heads'], text['linear_num_value_heads']] as [
    number,
    number,
  ];
  const [rows, columns] = [tensor.shape[0]!, tensor.data.length / tensor.shape[0]!];
  const copies = valueHeads / keyHeads;
  const source = (at: number): number => {
    if (at < first) return at;
    const [head, inside] = [Math.floor((at - first) / headDim), (at - first) % headDim];
    return first + ((head % keyHeads) * copies + Math.floor(head / keyHeads)) * headDim + inside;
  };
  const data = Float32Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return tensor.data[axis === 0 ? source(row) * columns + column : row * columns + source(column)]!;
  });
  return { ...tensor, data };
}

/** One tensor of a layer of the gated delta rule, or a norm, as llama.cpp keeps it. */
function deltaTensor(tensor: Tensor, text: Json): Tensor {
  const { name, data } = tensor;
  const keys = 2 * Number(text['linear_num_key_heads']) * Number(text['linear_key_head_dim']);
  const value = Number(text['linear_value_head_dim']);
  if (/norm\.weight$/.test(name) && !/linear_attn\.norm/.test(name)) return added(tensor);
  if (/in_proj_qkv/.test(name)) return tiled(tensor, 0, keys, text, value);
  if (/in_proj_z/.test(name)) return tiled(tensor, 0, 0, text, value);
  if (/in_proj_[ab]\./.test(name)) return tiled(tensor, 0, 0, text, 1);
  if (/conv1d/.test(name)) {
    const [channels, , width] = tensor.shape as [number, number, number];
    return tiled({ ...tensor, shape: [channels, width] }, 0, keys, text, value);
  }
  if (/out_proj/.test(name)) return tiled(tensor, 1, 0, text, value);
  if (/dt_bias$/.test(name)) return tiled(tensor, 0, 0, text, 1);
  if (/A_log$/.test(name))
    return tiled({ ...tensor, data: data.map((log) => -Math.exp(log)) }, 0, 0, text, 1);
  return /shared_expert_gate/.test(name) ? { ...tensor, shape: [data.length] } : tensor;
}

const DELTA: [RegExp, string][] = [
  [/linear_attn\.in_proj_qkv/, 'attn_qkv'],
  [/linear_attn\.in_proj_z/, 'attn_gate'],
  [/linear_attn\.in_proj_a/, 'ssm_alpha'],
  [/linear_attn\.in_proj_b/, 'ssm_beta'],
  [/linear_attn\.conv1d/, 'ssm_conv1d'],
  [/linear_attn\.out_proj/, 'ssm_out'],
  [/linear_attn\.norm/, 'ssm_norm'],
  [/linear_attn\.A_log/, 'ssm_a'],
  [/linear_attn\.dt_bias/, 'ssm_dt.bias'],
  [/post_attention_layernorm/, 'post_attention_norm'],
  [/input_layernorm/, 'attn_norm'],
];

function deltaKeys(arch: string, text: Json): Entry[] {
  const rope = text['rope_parameters'] as Record<string, number>;
  const value = (key: string): number => Number(text[key]);
  return [
    [`${arch}.rope.freq_base`, 'f32', rope['rope_theta']],
    [`${arch}.rope.dimension_count`, 'u32', value('head_dim') * rope['partial_rotary_factor']!],
    [`${arch}.ssm.conv_kernel`, 'u32', value('linear_conv_kernel_dim')],
    [`${arch}.ssm.state_size`, 'u32', value('linear_key_head_dim')],
    [`${arch}.ssm.group_count`, 'u32', value('linear_num_key_heads')],
    [`${arch}.ssm.time_step_rank`, 'u32', value('linear_num_value_heads')],
    [`${arch}.ssm.inner_size`, 'u32', value('linear_value_head_dim') * value('linear_num_value_heads')],
  ];
}

/** Architectures of llama.cpp, by model_type. */
const QWEN3: Record<string, string> = {
  ...{ qwen3_vl: 'qwen3vl', qwen3_vl_moe: 'qwen3vlmoe', qwen3_5: 'qwen35', qwen3_5_moe: 'qwen35moe' },
};

export const qwen3: Convert = ({ config, tensors, source }) => {
  const type = String(config['model_type']);
  const arch = QWEN3[type]!;
  const delta = arch.startsWith('qwen35');
  const [text, vision] = [config['text_config'], config['vision_config']] as [Json, Json];
  const tapped = vision['deepstack_visual_indexes'] as number[];
  const tower = qwenTower(
    tensors,
    [
      [/mlp\.linear_fc1/, 'ffn_up'],
      [/mlp\.linear_fc2/, 'ffn_down'],
      [/^merger\.norm/, 'v.post_ln'],
      [/^merger\.linear_fc1/, 'mm.0'],
      [/^merger\.linear_fc2/, 'mm.2'],
      ...tapped.flatMap((block, i): [RegExp, string][] => [
        [new RegExp(`^deepstack_merger_list\\.${i}\\.linear_`), `v.deepstack.${block}.`],
        [new RegExp(`^deepstack_merger_list\\.${i}\\.`), `v.deepstack.${block}.`],
      ]),
    ],
    false,
  );
  const is = Array.from({ length: Number(vision['depth']) }, (_, block) => tapped.includes(block));
  return {
    metadata: [
      ...decoderKeys(arch, text),
      ...expertKeys(arch, text),
      ...(delta ? deltaKeys(arch, text) : []),
      sections(arch, text),
    ],
    tower: [
      ...towerKeys(
        'qwen3vl_merger',
        source,
        qwenSizes(source, vision, vision['hidden_size'], vision['intermediate_size']),
      ),
      ['clip.vision.is_deepstack_layers', 'bool', is],
    ],
    text: decoderOf(
      splitExperts(tensors, type === 'qwen3_vl_moe'),
      'model.language_model.',
      [...EXPERTS, ...(delta ? DELTA : LLAMA_NORMS)],
      (tensor) => (delta ? deltaTensor(tensor, text) : tensor),
    ),
    vision: tower,
    tokenizer: { model: 'gpt2', pre: delta ? 'qwen35' : 'qwen2' },
  };
};
