// Writes a checkpoint folder as llama.cpp's converter would: a GGUF file for the decoder and one for the tower. Written
// from the converter's side (Hugging Face's names in, its names out), so that it shares nothing with the reader.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, toFloats } from '../goldens/reference-weights.js';
import { bf16Bits, f16Bits, fromF16 } from './foreign-packers.js';

type Json = Record<string, unknown>;
export type GgufType = 'F32' | 'F16' | 'BF16' | 'Q4_0' | 'Q8_0';

export interface Tensor {
  name: string;
  shape: number[];
  data: Float32Array;
}

const KINDS = { u32: 4, i32: 5, f32: 6, bool: 7, str: 8 } as const;
type Kind = keyof typeof KINDS;
type Entry = [key: string, kind: Kind, value: unknown];

/** Numbers of ggml's types. */
const TYPES: Record<GgufType, number> = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 8, BF16: 30 };

/** @param type Of matrices; what the converter keeps in 32 bits stays so. */
export function writePair(source: string, target: string, type: GgufType): void {
  const config = readJson(source, 'config.json');
  const made = FAMILIES[String(config['model_type'])]!({ config, tensors: readTensors(source), source });
  const metadata = [...made.metadata, ...tokenizer(source, made.tokenizer)];
  writeFile(join(target, 'model.gguf'), metadata, made.text, type);
  writeFile(join(target, 'mmproj-model.gguf'), made.tower, made.vision, type);
}

/** The checkpoint's tensors with what such a pair holds of them: blocks lie in rows, which stay whole. */
export function rounded(source: string, type: GgufType): Map<string, Tensor> {
  return new Map(
    [...readTensors(source)].map(([name, tensor]) => {
      const kept = /position_embedding|pos_embed/.test(name);
      return [name, { ...tensor, data: encoded(tensor, kept ? 'F32' : typeOf(tensor, type))[1] }];
    }),
  );
}

interface Source {
  config: Json;
  tensors: Map<string, Tensor>;
  source: string;
}

interface Converted {
  metadata: Entry[];
  tower: Entry[];
  text: Tensor[];
  vision: Tensor[];
  tokenizer: { model: string; pre?: string };
}

type Convert = (source: Source) => Converted;

const readJson = (folder: string, name: string): Json =>
  JSON.parse(readFileSync(join(folder, name), 'utf8')) as Json;

function readTensors(folder: string): Map<string, Tensor> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  const arrays = readSafetensors(files.map((name) => join(folder, name)));
  return new Map(
    [...arrays].map(([name, stored]) => [name, { name, shape: stored.shape, data: toFloats(stored) }]),
  );
}

/** As the converter: vectors, norms and position tables in 32 bits. */
function typeOf({ name, shape }: Tensor, type: GgufType): GgufType {
  const kept = shape.length < 2 || /norm\.weight$|position_embd/.test(name);
  if (kept) return 'F32';
  const blocks = type.startsWith('Q');
  return blocks && (shape.length > 2 || shape.at(-1)! % 32 !== 0) ? 'F16' : type;
}

/** Bytes, and what they stand for. */
function encoded({ data }: Tensor, type: GgufType): [Buffer, Float32Array] {
  const halves = (bits: (value: number) => number): Buffer =>
    Buffer.from(Uint16Array.from(data, bits).buffer);
  if (type === 'F32') return [Buffer.from(Float32Array.from(data).buffer), data];
  if (type === 'F16') return [halves(f16Bits), data];
  if (type === 'BF16') return [halves(bf16Bits), data];
  const [least, most, offset] = type === 'Q8_0' ? [-127, 127, 0] : [-8, 7, 8];
  const plain = new Float32Array(data.length);
  const blocks: number[] = [];
  for (let at = 0; at < data.length; at += 32) {
    const own = data.subarray(at, at + 32);
    const largest = Math.max(...Array.from(own, Math.abs));
    const bits = f16Bits(largest / most);
    const d = fromF16(bits);
    const codes = Array.from(own, (value) => Math.max(least, Math.min(most, Math.round(value / (d || 1)))));
    codes.forEach((q, i) => (plain[at + i] = d * q));
    blocks.push(bits & 255, bits >> 8);
    if (type === 'Q8_0') blocks.push(...codes.map((q) => q & 255));
    else for (let i = 0; i < 16; i++) blocks.push((codes[i]! + offset) | ((codes[i + 16]! + offset) << 4));
  }
  return [Buffer.from(blocks), plain];
}

const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const string = (text: string): Buffer => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)]);

function scalar(kind: Kind, value: unknown): Buffer {
  const bytes = Buffer.alloc(4);
  if (kind === 'str') return string(String(value));
  if (kind === 'bool') return Buffer.of(value ? 1 : 0);
  if (kind === 'f32') bytes.writeFloatLE(Number(value));
  else if (kind === 'i32') bytes.writeInt32LE(Number(value));
  else bytes.writeUInt32LE(Number(value));
  return bytes;
}

function entry([key, kind, value]: Entry): Buffer {
  if (!Array.isArray(value)) return Buffer.concat([string(key), u32(KINDS[kind]), scalar(kind, value)]);
  const items = value.map((item) => scalar(kind, item));
  return Buffer.concat([string(key), u32(9), u32(KINDS[kind]), u64(value.length), ...items]);
}

function writeFile(path: string, metadata: Entry[], tensors: Tensor[], type: GgufType): void {
  const infos: Buffer[] = [];
  const data: Buffer[] = [];
  let offset = 0;
  for (const tensor of tensors) {
    const [bytes] = encoded(tensor, typeOf(tensor, type));
    const axes = [...tensor.shape].reverse();
    infos.push(
      Buffer.concat([
        ...[string(tensor.name), u32(axes.length), ...axes.map(u64)],
        ...[u32(TYPES[typeOf(tensor, type)]), u64(offset)],
      ]),
    );
    const padding = Buffer.alloc((32 - (bytes.length % 32)) % 32);
    data.push(bytes, padding);
    offset += bytes.length + padding.length;
  }
  const head = Buffer.concat([
    ...[Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(metadata.length)],
    ...[...metadata.map(entry), ...infos],
  ]);
  writeFileSync(path, Buffer.concat([head, Buffer.alloc((32 - (head.length % 32)) % 32), ...data]));
}

/** tokenizer.json → the lists that GGUF has. */
function tokenizer(source: string, { model, pre }: { model: string; pre?: string }): Entry[] {
  const json = readJson(source, 'tokenizer.json');
  const { vocab, merges } = json['model'] as { vocab: Record<string, number>; merges: (string | string[])[] };
  const added = json['added_tokens'] as { id: number; content: string; special: boolean }[];
  const size = Math.max(...Object.values(vocab), ...added.map(({ id }) => id)) + 1;
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const types = tokens.map(() => 5);
  for (const [token, id] of Object.entries(vocab)) {
    tokens[id] = token;
    types[id] = /^<0x[0-9A-F]{2}>$/.test(token) ? 6 : 1;
  }
  for (const { id, content, special } of added) {
    tokens[id] = content;
    types[id] = content === '<unk>' ? 2 : special ? 3 : 4;
  }
  const config = readJson(source, 'tokenizer_config.json');
  const ids: Entry[] = (['bos', 'eos', 'unk', 'pad'] as const).flatMap((name): Entry[] => {
    const token = config[`${name}_token`];
    const text = typeof token === 'string' ? token : (token as Json | null | undefined)?.['content'];
    const id = tokens.indexOf(String(text));
    const key = { bos: 'bos', eos: 'eos', unk: 'unknown', pad: 'padding' }[name];
    return id < 0 ? [] : [[`tokenizer.ggml.${key}_token_id`, 'u32', id]];
  });
  const template = readFileSync(join(source, 'chat_template.jinja'), 'utf8');
  return [
    ['tokenizer.ggml.model', 'str', model],
    ...(pre === undefined ? [] : ([['tokenizer.ggml.pre', 'str', pre]] as Entry[])),
    ['tokenizer.ggml.tokens', 'str', tokens],
    ['tokenizer.ggml.token_type', 'i32', types],
    ...(model === 'llama'
      ? ([['tokenizer.ggml.scores', 'f32', tokens.map((_, id) => -id)]] as Entry[])
      : ([
          [
            'tokenizer.ggml.merges',
            'str',
            merges.map((pair) => (Array.isArray(pair) ? pair.join(' ') : pair)),
          ],
        ] as Entry[])),
    ...ids,
    ...(json['post_processor'] ? ([['tokenizer.ggml.add_bos_token', 'bool', true]] as Entry[]) : []),
    ['tokenizer.chat_template', 'str', template],
  ];
}

/** Metadata that every decoder has. */
function decoderKeys(arch: string, text: Json): Entry[] {
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

function towerKeys(projector: string, source: string, sizes: Record<string, unknown>): Entry[] {
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
const renamed = (name: string, rules: [RegExp, string][]): string =>
  rules.reduce((text, [from, to]) => text.replace(from, to), name);

function decoderOf(
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

const LLAMA_NORMS: [RegExp, string][] = [
  [/post_attention_layernorm/, 'ffn_norm'],
  [/input_layernorm/, 'attn_norm'],
];
const GEMMA_NORMS: [RegExp, string][] = [
  [/input_layernorm/, 'attn_norm'],
  [/pre_feedforward_layernorm/, 'ffn_norm'],
  [/post_attention_layernorm/, 'post_attention_norm'],
  [/post_feedforward_layernorm/, 'post_ffw_norm'],
];

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

const added = (tensor: Tensor): Tensor => ({ ...tensor, data: tensor.data.map((value) => value + 1) });

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

const qwen2: Convert = ({ config, tensors, source }) => {
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

const qwen3: Convert = ({ config, tensors, source }) => {
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

const gemma3: Convert = ({ config, tensors, source }) => {
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

const smolvlm: Convert = ({ config, tensors, source }) => {
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

const gemma4: Convert = ({ config, tensors, source }) => {
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

const FAMILIES: Record<string, Convert> = {
  qwen2_vl: qwen2,
  qwen2_5_vl: qwen2,
  qwen3_vl: qwen3,
  gemma3,
  gemma4,
  smolvlm,
};
