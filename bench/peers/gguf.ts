// A GGUF file of a decoder's real dimensions with random Q4_0 weights, so that llama.cpp runs the same work as we do.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
import { closeSync, openSync, writeSync } from 'node:fs';

export interface DecoderDimensions {
  /** llama.cpp's name of the architecture. */
  architecture: 'qwen2' | 'llama';
  hidden: number;
  intermediate: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocab: number;
  ropeBase: number;
  qkvBias: boolean;
  tied: boolean;
}

export const PEER_DIMENSIONS: Record<string, DecoderDimensions> = {
  'qwen2-vl-2b': {
    architecture: 'qwen2',
    hidden: 1536,
    intermediate: 8960,
    layers: 28,
    heads: 12,
    kvHeads: 2,
    headDim: 128,
    vocab: 151936,
    ropeBase: 1e6,
    qkvBias: true,
    tied: true,
  },
  'qwen2.5-vl-3b': {
    architecture: 'qwen2',
    hidden: 2048,
    intermediate: 11008,
    layers: 36,
    heads: 16,
    kvHeads: 2,
    headDim: 128,
    vocab: 151936,
    ropeBase: 1e6,
    qkvBias: true,
    tied: true,
  },
  'smolvlm-256m': {
    architecture: 'llama',
    hidden: 576,
    intermediate: 1536,
    layers: 30,
    heads: 9,
    kvHeads: 3,
    headDim: 64,
    vocab: 49280,
    ropeBase: 1e5,
    qkvBias: false,
    tied: false,
  },
};

const ALIGNMENT = 32;
const TYPE = { uint32: 4, int32: 5, float32: 6, string: 8, array: 9 };
const F32 = 0;
const Q4_0 = 2;
/** 32 weights: an f16 scale and 16 bytes of nibbles. */
const Q4_0_BLOCK = { weights: 32, bytes: 18 };
const HALF_OF_0_004 = 0x1c19;

interface Tensor {
  name: string;
  /** Innermost first. */
  shape: number[];
  type: number;
}

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

  f32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return this.raw(bytes);
  }

  text(value: string): this {
    const bytes = Buffer.from(value);
    return this.u64(bytes.length).raw(bytes);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

function tensors(d: DecoderDimensions): Tensor[] {
  const matrix = (name: string, out: number, input: number): Tensor => ({
    name: `${name}.weight`,
    shape: [input, out],
    type: Q4_0,
  });
  const vector = (name: string, length: number): Tensor => ({ name, shape: [length], type: F32 });
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
    list.push(
      matrix(`${block}.ffn_gate`, d.intermediate, d.hidden),
      matrix(`${block}.ffn_up`, d.intermediate, d.hidden),
    );
    list.push(matrix(`${block}.ffn_down`, d.hidden, d.intermediate));
  }
  return list;
}

function metadata(writer: Writer, d: DecoderDimensions): void {
  const a = d.architecture;
  const integers: Record<string, number> = {
    [`${a}.context_length`]: 8192,
    [`${a}.embedding_length`]: d.hidden,
    [`${a}.block_count`]: d.layers,
    [`${a}.feed_forward_length`]: d.intermediate,
    [`${a}.attention.head_count`]: d.heads,
    [`${a}.attention.head_count_kv`]: d.kvHeads,
    [`${a}.rope.dimension_count`]: d.headDim,
    [`${a}.vocab_size`]: d.vocab,
    'tokenizer.ggml.bos_token_id': 1,
    'tokenizer.ggml.eos_token_id': 2,
    'tokenizer.ggml.unknown_token_id': 0,
    'general.file_type': 2,
  };
  const reals: Record<string, number> = {
    [`${a}.attention.layer_norm_rms_epsilon`]: 1e-6,
    [`${a}.rope.freq_base`]: d.ropeBase,
  };
  writer.u64(Object.keys(integers).length + Object.keys(reals).length + 5);
  writer.text('general.architecture').u32(TYPE.string).text(a);
  writer.text('tokenizer.ggml.model').u32(TYPE.string).text('llama');
  for (const [key, value] of Object.entries(integers)) writer.text(key).u32(TYPE.uint32).u32(value);
  for (const [key, value] of Object.entries(reals)) writer.text(key).u32(TYPE.float32).f32(value);
  const array = (key: string, type: number): Writer =>
    writer.text(key).u32(TYPE.array).u32(type).u64(d.vocab);
  array('tokenizer.ggml.tokens', TYPE.string);
  for (let i = 0; i < d.vocab; i++) writer.text(tokenText(i));
  array('tokenizer.ggml.scores', TYPE.float32);
  for (let i = 0; i < d.vocab; i++) writer.f32(-i);
  array('tokenizer.ggml.token_type', TYPE.int32);
  for (let i = 0; i < d.vocab; i++) writer.u32(tokenType(i));
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

function byteLength({ shape, type }: Tensor): number {
  const count = shape.reduce((a, b) => a * b, 1);
  return type === F32 ? count * 4 : (count / Q4_0_BLOCK.weights) * Q4_0_BLOCK.bytes;
}

const aligned = (offset: number): number => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;

export function writeGguf(file: string, d: DecoderDimensions): void {
  const list = tensors(d);
  const head = new Writer().raw(Buffer.from('GGUF')).u32(3).u64(list.length);
  metadata(head, d);
  let offset = 0;
  for (const tensor of list) {
    head.text(tensor.name).u32(tensor.shape.length);
    for (const side of tensor.shape) head.u64(side);
    head.u32(tensor.type).u64(offset);
    offset = aligned(offset + byteLength(tensor));
  }
  const descriptor = openSync(file, 'w');
  writeSync(descriptor, head.bytes());
  const start = aligned(head.length);
  writeSync(descriptor, Buffer.alloc(start - head.length));
  const blocks = randomBlocks();
  const ones = Buffer.from(new Float32Array(1 << 14).fill(1).buffer);
  for (const tensor of list) {
    const bytes = byteLength(tensor);
    const pattern = tensor.type === F32 ? ones : blocks;
    for (let done = 0; done < bytes;)
      done += writeSync(descriptor, pattern, 0, Math.min(pattern.length, bytes - done));
    writeSync(descriptor, Buffer.alloc(aligned(bytes) - bytes));
  }
  closeSync(descriptor);
}

function randomBlocks(): Buffer {
  const count = 1 << 16;
  const blocks = Buffer.alloc(count * Q4_0_BLOCK.bytes);
  let state = 1;
  for (let i = 0; i < blocks.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    blocks[i] = state >>> 24;
  }
  for (let i = 0; i < count; i++) blocks.writeUInt16LE(HALF_OF_0_004, i * Q4_0_BLOCK.bytes);
  return blocks;
}
