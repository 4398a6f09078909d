// Qwen2-VL, Qwen2.5-VL and Qwen3-VL as llama.cpp's converter writes them.
import {
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
  [...(text['rope_scaling'] as { mrope_section: number[] }).mrope_section, 0],
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

export const qwen3: Convert = ({ config, tensors, source }) => {
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
    metadata: [...decoderKeys('qwen3vl', text), sections('qwen3vl', text)],
    tower: [
      ...towerKeys(
        'qwen3vl_merger',
        source,
        qwenSizes(source, vision, vision['hidden_size'], vision['intermediate_size']),
      ),
      ['clip.vision.is_deepstack_layers', 'bool', is],
    ],
    text: decoderOf(tensors, 'model.language_model.', LLAMA_NORMS),
    vision: tower,
    tokenizer: { model: 'gpt2', pre: 'qwen2' },
  };
};
