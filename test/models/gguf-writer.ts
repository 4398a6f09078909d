// Writes a checkpoint folder as llama.cpp's converter would: a GGUF file for the decoder and one for the tower. Written
// from the converter's side (Hugging Face's names in, its names out), so that it shares nothing with the reader.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, toFloats } from '../goldens/reference-weights.js';
import { bf16Bits, f16Bits, fromF16 } from './foreign-packers.js';
import {
  readJson,
  KINDS,
  type Convert,
  type Entry,
  type Json,
  type Kind,
  type Tensor,
} from './gguf-parts.js';
import { qwen2, qwen3, turned } from './gguf-qwen.js';
import { gemma3, gemma4, smolvlm } from './gguf-siglip.js';

export type GgufType = 'F32' | 'F16' | 'BF16' | 'Q4_0' | 'Q8_0';

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
  const transposed = readJson(source, 'config.json')['model_type'] === 'qwen3_vl_moe';
  const plain = (tensor: Tensor): Tensor => ({ ...tensor, data: encoded(tensor, typeOf(tensor, type))[1] });
  return new Map(
    [...readTensors(source)].map(([name, tensor]) => {
      if (/position_embedding|pos_embed/.test(name)) return [name, tensor];
      return [name, transposed && isExperts(name) ? turned(plain(turned(tensor))) : plain(tensor)];
    }),
  );
}

const isExperts = (name: string): boolean => /_exps\.weight$|\.experts\.\w+$/.test(name);

function readTensors(folder: string): Map<string, Tensor> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  const arrays = readSafetensors(files.map((name) => join(folder, name)));
  return new Map(
    [...arrays].map(([name, stored]) => [name, { name, shape: stored.shape, data: toFloats(stored) }]),
  );
}

/** As the converter: vectors, norms and position tables in 32 bits. */
function typeOf({ name, shape }: Tensor, type: GgufType): GgufType {
  const kept = shape.length < 2 || /norm\.weight$|position_embd|ssm_conv1d/.test(name);
  if (kept) return 'F32';
  const blocks = type.startsWith('Q');
  const rows = shape.length === 2 || isExperts(name);
  return blocks && (!rows || shape.at(-1)! % 32 !== 0) ? 'F16' : type;
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

const FAMILIES: Record<string, Convert> = {
  qwen2_vl: qwen2,
  qwen2_5_vl: qwen2,
  qwen3_vl: qwen3,
  qwen3_vl_moe: qwen3,
  qwen3_5: qwen3,
  qwen3_5_moe: qwen3,
  gemma3,
  gemma4,
  smolvlm,
};
