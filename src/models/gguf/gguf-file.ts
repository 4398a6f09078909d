// The container of llama.cpp's models: metadata by key, then names, shapes and places of the tensors.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
import { closeSync, fstatSync, readSync } from 'node:fs';
import { AfterimageError } from '../../errors.js';
import { openPlain } from '../checkpoint/plain-file.js';

/** dtype names of safetensors where there are such, else the blocks' own. */
const TYPES: Record<number, [name: string, values: number, bytes: number]> = {
  ...{ 0: ['F32', 1, 4], 1: ['F16', 1, 2], 30: ['BF16', 1, 2], 28: ['F64', 1, 8] },
  ...{ 24: ['I8', 1, 1], 25: ['I16', 1, 2], 26: ['I32', 1, 4], 27: ['I64', 1, 8] },
  ...{
    2: ['Q4_0', 32, 18],
    3: ['Q4_1', 32, 20],
    6: ['Q5_0', 32, 22],
    7: ['Q5_1', 32, 24],
    8: ['Q8_0', 32, 34],
  },
  ...{ 10: ['Q2_K', 256, 84], 11: ['Q3_K', 256, 110], 12: ['Q4_K', 256, 144] },
  ...{ 13: ['Q5_K', 256, 176], 14: ['Q6_K', 256, 210] },
};
/** Kinds that are not read, for who has one. */
const OTHERS: Record<number, string> = {
  ...{ 16: 'IQ2_XXS', 17: 'IQ2_XS', 18: 'IQ3_XXS', 19: 'IQ1_S', 20: 'IQ4_NL', 21: 'IQ3_S', 22: 'IQ2_S' },
  ...{ 23: 'IQ4_XS', 29: 'IQ1_M', 34: 'TQ1_0', 35: 'TQ2_0', 39: 'MXFP4', 40: 'NVFP4' },
};
const FIRST_BYTES = 2 ** 20;
/** Vocabularies of half a million tokens take 30 MB. */
const MOST_HEADER_BYTES = 2 ** 28;
const MOST_TENSORS = 2 ** 20;
/** Of a tensor whose numbers are read here: one for each head, for example. */
const MOST_FLOAT_BYTES = 2 ** 14;

export interface GgufTensor {
  dtype: string;
  /** Outermost axis first, as everywhere else. */
  shape: number[];
  /** From `GgufFile.start` on. */
  offset: number;
  bytes: number;
}

export type GgufValue = number | string | boolean | (number | string | boolean)[];

export class GgufFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** Where the tensors' bytes begin. */
  readonly start: number;
  readonly #values: ReadonlyMap<string, Lazy>;

  /** @throws AfterimageError IO_FAILED, INVALID_CHECKPOINT, MODEL_UNSUPPORTED for tensors of a kind that is not read. */
  constructor(path: string) {
    this.path = path;
    const { values, tensors, start } = readHeader(path);
    [this.#values, this.tensors, this.start] = [values, tensors, start];
  }

  /** A small tensor's numbers. @throws AfterimageError IO_FAILED, INVALID_CHECKPOINT where they are not few 32-bit floats. */
  floats(name: string): Float32Array {
    const { dtype, offset, bytes } = this.tensors.get(name)!;
    if (dtype !== 'F32') throw invalid(this.path, `tensor "${name}" is stored as ${dtype}; expected F32`);
    if (bytes > MOST_FLOAT_BYTES)
      throw invalid(this.path, `tensor "${name}" has ${bytes} bytes; expected few numbers`);
    const descriptor = opened(this.path);
    try {
      const data = new Uint8Array(bytes);
      if (readSync(descriptor, data, 0, bytes, this.start + offset) < bytes)
        throw invalid(this.path, `it ends inside tensor "${name}"`);
      return new Float32Array(data.buffer);
    } finally {
      closeSync(descriptor);
    }
  }

  keys(): string[] {
    return [...this.#values.keys()];
  }

  value(key: string): GgufValue | undefined {
    return this.#values.get(key)?.();
  }

  number(key: string): number | undefined {
    const value = this.value(key);
    return typeof value === 'number' ? value : undefined;
  }

  text(key: string): string | undefined {
    const value = this.value(key);
    return typeof value === 'string' ? value : undefined;
  }

  list<T extends number | string | boolean>(key: string): T[] | undefined {
    const value = this.value(key);
    return Array.isArray(value) ? (value as T[]) : undefined;
  }
}

/** Read when it is asked for: vocabularies are long, and most readers do not want them. */
type Lazy = () => GgufValue;

interface Header {
  values: Map<string, Lazy>;
  tensors: Map<string, GgufTensor>;
  start: number;
}

function readHeader(path: string): Header {
  const descriptor = opened(path);
  try {
    const { size } = fstatSync(descriptor);
    for (let length = FIRST_BYTES; ; length *= 4) {
      const bytes = Buffer.alloc(Math.min(length, size));
      readSync(descriptor, bytes, 0, bytes.length, 0);
      try {
        return new HeaderReader(path, bytes, size).read();
      } catch (error) {
        if (!(error instanceof EndOfBytes)) throw error;
        if (bytes.length === size || length > MOST_HEADER_BYTES)
          throw invalid(path, 'it ends inside its header');
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

class EndOfBytes extends Error {}

/** Sizes of the fixed kinds of values; 8 is a string, 9 a list. */
const VALUE_BYTES: Record<number, number> = {
  ...{ 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 },
};
const [STRING, LIST] = [8, 9];

class HeaderReader {
  readonly #path: string;
  readonly #bytes: Buffer;
  readonly #size: number;
  #at = 0;

  constructor(path: string, bytes: Buffer, size: number) {
    [this.#path, this.#bytes, this.#size] = [path, bytes, size];
  }

  read(): Header {
    if (this.#bytes.length < 4 || this.#bytes.toString('latin1', 0, 4) !== 'GGUF')
      throw invalid(this.#path, 'it does not begin with "GGUF"');
    this.#at = 4;
    const version = this.#uint32();
    if (version !== 2 && version !== 3)
      throw invalid(this.#path, `it is of version ${version}; 2 and 3 are read`);
    const [count, keys] = [this.#uint64(), this.#uint64()];
    if (count > MOST_TENSORS) throw invalid(this.#path, `it states ${count} tensors`);
    const values = new Map<string, Lazy>();
    for (let i = 0; i < keys; i++) values.set(this.#string(), this.#value(this.#uint32()));
    const alignment = values.get('general.alignment')?.() ?? 32;
    const infos: [string, number, number[], number][] = [];
    for (let i = 0; i < count; i++) infos.push(this.#info());
    if (typeof alignment !== 'number' || alignment < 1)
      throw invalid(this.#path, 'its alignment is no number');
    const start = Math.ceil(this.#at / alignment) * alignment;
    const tensors = new Map(
      infos.map(([name, kind, shape, offset]) => [name, this.#tensor(name, kind, shape, offset, start)]),
    );
    return { values, tensors, start };
  }

  #info(): [string, number, number[], number] {
    const name = this.#string();
    const axes = this.#uint32();
    if (axes > 4) throw invalid(this.#path, `tensor "${name}" has ${axes} axes`);
    const shape = Array.from({ length: axes }, () => this.#uint64()).reverse();
    return [name, this.#uint32(), shape, this.#uint64()];
  }

  #tensor(name: string, kind: number, shape: number[], offset: number, start: number): GgufTensor {
    const type = TYPES[kind];
    if (!type) {
      throw new AfterimageError(
        'MODEL_UNSUPPORTED',
        `Tensor "${name}" of "${this.#path}" is stored as ${OTHERS[kind] ?? `kind ${kind}`}, which is not supported; take a Q4_K_M, Q8_0 or F16 file of the same model.`,
      );
    }
    const [dtype, values, size] = type;
    const count = shape.reduce((a, b) => a * b, 1);
    const bytes = (count / values) * size;
    if (!Number.isSafeInteger(bytes) || start + offset + bytes > this.#size)
      throw invalid(this.#path, `tensor "${name}" lies outside its ${this.#size} bytes`);
    return { dtype, shape, offset, bytes };
  }

  #value(kind: number): Lazy {
    if (kind === LIST) return this.#list();
    const at = this.#at;
    this.#skip(kind, 1);
    return () => this.#decode(kind, at)[0];
  }

  #list(): Lazy {
    const [kind, count] = [this.#uint32(), this.#uint64()];
    const first = this.#at;
    this.#skip(kind, count);
    return () => {
      const list: (number | string | boolean)[] = [];
      for (let i = 0, at = first; i < count; i++) {
        const [value, next] = this.#decode(kind, at);
        list.push(value);
        at = next;
      }
      return list;
    };
  }

  #skip(kind: number, count: number): void {
    const size = VALUE_BYTES[kind];
    if (size !== undefined) return this.#need(size * count);
    if (kind !== STRING) throw invalid(this.#path, `a value of kind ${kind} is unknown`);
    for (let i = 0; i < count; i++) this.#need(this.#uint64());
  }

  #decode(kind: number, at: number): [number | string | boolean, next: number] {
    const b = this.#bytes;
    switch (kind) {
      case 0:
        return [b.readUInt8(at), at + 1];
      case 1:
        return [b.readInt8(at), at + 1];
      case 2:
        return [b.readUInt16LE(at), at + 2];
      case 3:
        return [b.readInt16LE(at), at + 2];
      case 4:
        return [b.readUInt32LE(at), at + 4];
      case 5:
        return [b.readInt32LE(at), at + 4];
      case 6:
        return [shortest(b.readFloatLE(at)), at + 4];
      case 7:
        return [b.readUInt8(at) !== 0, at + 1];
      case 10:
        return [Number(b.readBigUInt64LE(at)), at + 8];
      case 11:
        return [Number(b.readBigInt64LE(at)), at + 8];
      case 12:
        return [b.readDoubleLE(at), at + 8];
      default: {
        const end = at + 8 + Number(b.readBigUInt64LE(at));
        return [b.toString('utf8', at + 8, end), end];
      }
    }
  }

  #need(count: number): void {
    if (this.#at + count > this.#bytes.length) throw new EndOfBytes();
    this.#at += count;
  }

  #uint32(): number {
    this.#need(4);
    return this.#bytes.readUInt32LE(this.#at - 4);
  }

  /** Of numbers that are small in every real file. */
  #uint64(): number {
    this.#need(8);
    return Number(this.#bytes.readBigUInt64LE(this.#at - 8));
  }

  #string(): string {
    const length = this.#uint64();
    this.#need(length);
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }
}

/** The number that was meant where f32 is all that was kept of it: 1e-6, not 9.99…e-7. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

function opened(path: string): number {
  const descriptor = openPlain(path);
  if (descriptor !== undefined) return descriptor;
  throw new AfterimageError('IO_FAILED', `Cannot read "${path}"; check that it exists and may be read.`);
}

function invalid(path: string, what: string): AfterimageError {
  return new AfterimageError(
    'INVALID_CHECKPOINT',
    `"${path}" is not a usable GGUF file: ${what}; download it again.`,
  );
}
