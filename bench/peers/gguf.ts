// GGUF files of real dimensions with random weights, so that llama.cpp runs the same work as we do: a decoder in Q4_0
// and its vision encoder (mmproj) in f16 or Q8_0. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
import { closeSync, openSync, writeSync } from 'node:fs';
import type { DecoderDimensions, TowerDimensions } from './gguf-dimensions.js';

export type MatrixType = 'f16' | 'q8_0' | 'q4_0';
type StoredType = 'f32' | MatrixType;

/** ggml's number of a type, the weights of a block and its bytes. */
const STORED: Record<StoredType, { type: number; weights: number; bytes: number }> = {
  f32: { type: 0, weights: 1, bytes: 4 },
  f16: { type: 1, weights: 1, bytes: 2 },
  q4_0: { type: 2, weights: 32, bytes: 18 },
  q8_0: { type: 8, weights: 32, bytes: 34 },
};

const ALIGNMENT = 32;

export interface PeerTensor {
  name: string;
  /** Innermost first. */
  shape: number[];
  stored: StoredType;
}

type Value = { u32: number } | { f32: number } | { bool: boolean } | { text: string } | ListValue;
type ListValue = { i32s: number[] } | { f32s: number[] } | { texts: string[] };
export type Metadata = Record<string, Value>;

class Writer {
  readonly #parts: Buffer[] = [];
  length = 0;

  raw(bytes: Buffer): this {
    this.#parts.push(bytes);
    this.length += bytes.length;
    return this;
  }

  u32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return this.raw(bytes);
  }

  u64(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return this.raw(bytes);
  }

  text(value: string): this {
    const bytes = Buffer.from(value);
    return this.u64(bytes.length).raw(bytes);
  }

  value(value: Value): this {
    if ('u32' in value) return this.u32(4).u32(value.u32);
    if ('f32' in value) return this.u32(6).raw(Buffer.from(Float32Array.of(value.f32).buffer));
    if ('bool' in value) return this.u32(7).raw(Buffer.of(value.bool ? 1 : 0));
    if ('text' in value) return this.u32(8).text(value.text);
    const list = (type: number, count: number): this => this.u32(9).u32(type).u64(count);
    if ('i32s' in value)
      return list(5, value.i32s.length).raw(Buffer.from(Int32Array.from(value.i32s).buffer));
    if ('f32s' in value)
      return list(6, value.f32s.length).raw(Buffer.from(Float32Array.from(value.f32s).buffer));
    list(8, value.texts.length);
    for (const text of value.texts) this.text(text);
    return this;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

const vector = (name: string, length: number): PeerTensor => ({ name, shape: [length], stored: 'f32' });

function decoderTensors(d: DecoderDimensions): PeerTensor[] {
  const matrix = (name: string, out: number, input: number): PeerTensor => ({
    name: `${name}.weight`,
    shape: [input, out],
    stored: 'q4_0',
  });
  const list = [matrix('token_embd', d.vocab, d.hidden), vector('output_norm.weight', d.hidden)];
  if (!d.tied) list.push(matrix('output', d.vocab, d.hidden));
  for (let i = 0; i < d.layers; i++) {
    const block = `blk.${i}`;
    const widths = { q: d.heads * d.headDim, k: d.kvHeads * d.headDim, v: d.kvHeads * d.headDim };
    list.push(vector(`${block}.attn_norm.weight`, d.hidden), vector(`${block}.ffn_norm.weight`, d.hidden));
    for (const [part, width] of Object.entries(widths)) {
      list.push(matrix(`${block}.attn_${part}`, width, d.hidden));
      if (d.qkvBias) list.push(vector(`${block}.attn_${part}.bias`, width));
    }
    list.push(matrix(`${block}.attn_output`, d.hidden, d.heads * d.headDim));
    list.push(matrix(`${block}.ffn_gate`, d.intermediate, d.hidden));
    list.push(matrix(`${block}.ffn_up`, d.intermediate, d.hidden));
    list.push(matrix(`${block}.ffn_down`, d.hidden, d.intermediate));
  }
  return list;
}

function decoderMetadata(d: DecoderDimensions): Metadata {
  const a = d.architecture;
  const ids = Array.from({ length: d.vocab }, (_, id) => id);
  return {
    'general.architecture': { text: a },
    'general.file_type': { u32: 2 },
    [`${a}.context_length`]: { u32: 8192 },
    [`${a}.embedding_length`]: { u32: d.hidden },
    [`${a}.block_count`]: { u32: d.layers },
    [`${a}.feed_forward_length`]: { u32: d.intermediate },
    [`${a}.attention.head_count`]: { u32: d.heads },
    [`${a}.attention.head_count_kv`]: { u32: d.kvHeads },
    [`${a}.attention.layer_norm_rms_epsilon`]: { f32: 1e-6 },
    [`${a}.rope.dimension_count`]: { u32: d.headDim },
    [`${a}.rope.freq_base`]: { f32: d.ropeBase },
    ...(d.ropeSections && { [`${a}.rope.dimension_sections`]: { i32s: [...d.ropeSections, 0] } }),
    [`${a}.vocab_size`]: { u32: d.vocab },
    'tokenizer.ggml.model': { text: 'llama' },
    'tokenizer.ggml.unknown_token_id': { u32: 0 },
    'tokenizer.ggml.bos_token_id': { u32: 1 },
    'tokenizer.ggml.eos_token_id': { u32: 2 },
    'tokenizer.ggml.tokens': { texts: ids.map(tokenText) },
    'tokenizer.ggml.scores': { f32s: ids.map((id) => -id) },
    'tokenizer.ggml.token_type': { i32s: ids.map(tokenType) },
  };
}

const BYTES_FROM = 3;

function tokenText(id: number): string {
  if (id < BYTES_FROM) return ['<unk>', '<s>', '</s>'][id]!;
  if (id < BYTES_FROM + 256) return `<0x${(id - BYTES_FROM).toString(16).toUpperCase().padStart(2, '0')}>`;
  return `t${id}`;
}

/** unknown 2, control 3, byte 6, normal 1. */
function tokenType(id: number): number {
  if (id < BYTES_FROM) return id === 0 ? 2 : 3;
  return id < BYTES_FROM + 256 ? 6 : 1;
}

function towerTensors(t: TowerDimensions, type: MatrixType): PeerTensor[] {
  const list: PeerTensor[] = [];
  const linear = (name: string, out: number, input: number, bias = true): void => {
    list.push({ name: `${name}.weight`, shape: [input, out], stored: type });
    if (bias) list.push(vector(`${name}.bias`, out));
  };
  const norm = (name: string): void => {
    list.push(vector(`${name}.weight`, t.hidden), vector(`${name}.bias`, t.hidden));
  };
  const patch = (name: string): void => {
    list.push({ name, shape: [t.patch, t.patch, 3, t.hidden], stored: 'f16' });
  };
  patch('v.patch_embd.weight');
  if (t.projector === 'qwen2vl_merger') patch('v.patch_embd.weight.1');
  else {
    list.push(vector('v.patch_embd.bias', t.hidden));
    list.push({
      name: 'v.position_embd.weight',
      shape: [t.hidden, (t.imageSize / t.patch) ** 2],
      stored: 'f32',
    });
  }
  for (let i = 0; i < t.layers; i++) {
    const block = `v.blk.${i}`;
    for (const part of ['q', 'k', 'v', 'out']) linear(`${block}.attn_${part}`, t.hidden, t.hidden);
    norm(`${block}.ln1`);
    norm(`${block}.ln2`);
    linear(`${block}.ffn_up`, t.intermediate, t.hidden);
    linear(`${block}.ffn_down`, t.hidden, t.intermediate);
  }
  norm('v.post_ln');
  const merged = t.hidden * t.merge ** 2;
  if (t.projector === 'idefics3') linear('mm.model.fc', t.out, merged, false);
  else {
    linear('mm.0', merged, merged);
    linear('mm.2', t.out, merged);
  }
  return list;
}

function towerMetadata(t: TowerDimensions, type: MatrixType): Metadata {
  return {
    'general.architecture': { text: 'clip' },
    'general.file_type': { u32: type === 'f16' ? 1 : 7 },
    'clip.has_vision_encoder': { bool: true },
    'clip.projector_type': { text: t.projector },
    'clip.use_gelu': { bool: t.gelu === 'gelu' },
    'clip.vision.image_size': { u32: t.imageSize },
    'clip.vision.patch_size': { u32: t.patch },
    'clip.vision.embedding_length': { u32: t.hidden },
    'clip.vision.feed_forward_length': { u32: t.intermediate },
    'clip.vision.block_count': { u32: t.layers },
    'clip.vision.projection_dim': { u32: t.out },
    'clip.vision.attention.head_count': { u32: t.heads },
    'clip.vision.attention.layer_norm_epsilon': { f32: 1e-6 },
    'clip.vision.image_mean': { f32s: [0.5, 0.5, 0.5] },
    'clip.vision.image_std': { f32s: [0.5, 0.5, 0.5] },
    'clip.vision.projector.scale_factor': { u32: t.merge },
    ...(t.longestEdge && { 'clip.vision.preproc_image_size': { u32: t.longestEdge } }),
  };
}

export function writeDecoder(file: string, d: DecoderDimensions): void {
  writeGguf(file, decoderMetadata(d), decoderTensors(d));
}

/** @param type Of matrices, as llama.cpp's converter makes them. */
export function writeTower(file: string, t: TowerDimensions, type: MatrixType): void {
  writeGguf(file, towerMetadata(t, type), towerTensors(t, type));
}

function byteLength({ shape, stored }: PeerTensor): number {
  const { weights, bytes } = STORED[stored];
  return (shape.reduce((a, b) => a * b, 1) / weights) * bytes;
}

const aligned = (offset: number): number => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;

function writeGguf(file: string, metadata: Metadata, tensors: PeerTensor[]): void {
  const head = new Writer().raw(Buffer.from('GGUF')).u32(3).u64(tensors.length);
  head.u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) head.text(key).value(value);
  let offset = 0;
  for (const tensor of tensors) {
    head.text(tensor.name).u32(tensor.shape.length);
    for (const side of tensor.shape) head.u64(side);
    head.u32(STORED[tensor.stored].type).u64(offset);
    offset = aligned(offset + byteLength(tensor));
  }
  const descriptor = openSync(file, 'w');
  writeSync(descriptor, head.bytes());
  writeSync(descriptor, Buffer.alloc(aligned(head.length) - head.length));
  const patterns = new Map<string, Buffer>();
  for (const tensor of tensors) {
    const bytes = byteLength(tensor);
    const kind = tensor.name.endsWith('.bias') ? 'zero' : tensor.shape.length === 1 ? 'one' : tensor.stored;
    if (!patterns.has(kind)) patterns.set(kind, pattern(kind));
    const source = patterns.get(kind)!;
    for (let done = 0; done < bytes;)
      done += writeSync(descriptor, source, 0, Math.min(source.length, bytes - done));
    writeSync(descriptor, Buffer.alloc(aligned(bytes) - bytes));
  }
  closeSync(descriptor);
}

const HALF_OF_0_004 = 0x1c19;
const HALF_OF_0_0002 = 0x0a8e;

/** Repeated over a tensor: random weights of at most about 0.03, ones or zeros. */
function pattern(kind: StoredType | 'one' | 'zero'): Buffer {
  const count = 1 << 16;
  if (kind === 'one') return Buffer.from(new Float32Array(count).fill(1).buffer);
  if (kind === 'zero') return Buffer.alloc(4 * count);
  let state = 1;
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
  if (kind === 'f32')
    return Buffer.from(Float32Array.from({ length: count }, () => (next() / 2 ** 31 - 1) * 0.03).buffer);
  // Signs and mantissas are random, the exponent is that of 1/64.
  if (kind === 'f16')
    return Buffer.from(Uint16Array.from({ length: count }, () => ((next() >>> 16) & 0x83ff) | 0x2400).buffer);
  const { bytes } = STORED[kind];
  const blocks = Buffer.from(Uint8Array.from({ length: count * bytes }, () => next() >>> 24));
  for (let i = 0; i < count; i++)
    blocks.writeUInt16LE(kind === 'q4_0' ? HALF_OF_0_004 : HALF_OF_0_0002, i * bytes);
  return blocks;
}
