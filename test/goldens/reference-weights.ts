// The plain reading of every weight format: a recipe becomes f32 numbers. Slow and complete; for tests only.
import { readFileSync } from 'node:fs';
import type { WeightRecipe } from '../../src/graph/program.js';

export interface StoredArray {
  dtype: string;
  shape: number[];
  bytes: Buffer;
}

type Quantization = NonNullable<WeightRecipe['quantization']>;

export function readSafetensors(files: string[]): Map<string, StoredArray> {
  const arrays = new Map<string, StoredArray>();
  for (const file of files) {
    const buffer = readFileSync(file);
    const start = 8 + Number(buffer.readBigUInt64LE(0));
    const header = JSON.parse(buffer.toString('utf8', 8, start)) as Record<
      string,
      { dtype: string; shape: number[]; data_offsets: [number, number] }
    >;
    for (const [
      name,
      {
        dtype,
        shape,
        data_offsets: [from, to],
      },
    ] of Object.entries(header).filter(([key]) => key !== '__metadata__')) {
      arrays.set(name, { dtype, shape, bytes: buffer.subarray(start + from, start + to) });
    }
  }
  return arrays;
}

export function readWeight(arrays: Map<string, StoredArray>, recipe: WeightRecipe): Float32Array {
  const { values } = recipe;
  if (values)
    return Float32Array.from(
      { length: recipe.shape.reduce((a, b) => a * b, 1) },
      (_, i) => values[i % values.length]!,
    );
  const parts = recipe.tensors.map((name, i) => readPart(arrays, recipe, name, i));
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (out.set(part, at), at + part.length), 0);
  const expected = recipe.shape.reduce((a, b) => a * b, 1);
  if (out.length !== expected)
    throw new Error(`${recipe.name}: ${out.length} elements, expected ${expected}`);
  return out;
}

function readPart(
  arrays: Map<string, StoredArray>,
  recipe: WeightRecipe,
  name: string,
  i: number,
): Float32Array {
  const stored = need(arrays, name);
  const { quantization, permute, slice } = recipe;
  let shape = stored.shape;
  let data: Float32Array;
  if (quantization) {
    shape = [...shape.slice(0, -1), recipe.shape.at(-1)!];
    data = dequantize(
      stored,
      shape,
      quantization,
      need(arrays, quantization.scales[i]!),
      quantization.biases && need(arrays, quantization.biases[i]!),
    );
  } else {
    data = toFloats(stored);
  }
  if (permute) [data, shape] = permuted(data, shape, permute);
  return slice ? sliced(data, shape, slice.axis, slice.start, slice.count) : data;
}

function need(arrays: Map<string, StoredArray>, name: string): StoredArray {
  const found = arrays.get(name);
  if (!found) throw new Error(`Tensor "${name}" is missing`);
  return found;
}

const view = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function toFloats({ dtype, bytes }: StoredArray): Float32Array {
  const data = view(bytes);
  const list = (size: number, read: (at: number) => number): Float32Array =>
    Float32Array.from({ length: bytes.length / size }, (_, i) => read(i * size));
  switch (dtype) {
    case 'F32':
      return list(4, (at) => data.getFloat32(at, true));
    case 'BF16':
      return list(2, (at) => bfloat16(data.getUint16(at, true)));
    case 'F16':
      return list(2, (at) => float16(data.getUint16(at, true)));
    case 'U8':
      return Float32Array.from(bytes);
    default:
      throw new Error(`No reading of ${dtype} as numbers`);
  }
}

const scratch = new DataView(new ArrayBuffer(4));

function bfloat16(bits: number): number {
  scratch.setUint32(0, bits * 65536);
  return scratch.getFloat32(0);
}

function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

const E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
const e2m1 = (code: number): number => (code & 8 ? -1 : 1) * E2M1[code & 7]!;
const e8m0 = (byte: number): number => 2 ** (byte - 127);

function e4m3(byte: number): number {
  const exponent = (byte >> 3) & 15;
  const fraction = byte & 7;
  return (
    (byte & 128 ? -1 : 1) * (exponent === 0 ? fraction * 2 ** -9 : (1 + fraction / 8) * 2 ** (exponent - 7))
  );
}

function dequantize(
  codes: StoredArray,
  shape: number[],
  q: Quantization,
  scales: StoredArray,
  biases: StoredArray | undefined,
): Float32Array {
  const columns = shape.at(-1)!;
  const rows = shape.reduce((a, b) => a * b, 1) / columns;
  const out = new Float32Array(rows * columns);
  const rowBytes = codes.bytes.length / rows;
  const scale = scaleReader(q, scales);
  const bias = biases ? toFloats(biases) : null;
  const groups = columns / q.group;
  for (let r = 0; r < rows; r++) {
    const row = codes.bytes.subarray(r * rowBytes, (r + 1) * rowBytes);
    for (let c = 0; c < columns; c++) {
      const group = r * groups + Math.floor(c / q.group);
      out[r * columns + c] = element(q, row, r, c, shape, scale, bias?.[group] ?? 0, group);
    }
  }
  return out;
}

function element(
  q: Quantization,
  row: Buffer,
  r: number,
  c: number,
  shape: number[],
  scale: (i: number) => number,
  bias: number,
  group: number,
): number {
  const { mode } = q;
  if (mode === 'affine')
    return Math.fround(Math.fround(scale(group) * bitField(row, c * q.bits, q.bits)) + bias);
  if (mode === 'int4_symmetric') return scale(group) * (bitField(row, c * 4, 4) - 8);
  if (mode === 'mxfp8') return e4m3(row[c]!) * scale(group);
  if (mode === 'mxfp4' || mode === 'nvfp4') return e2m1(bitField(row, c * 4, 4)) * scale(group);
  if (mode === 'fp8_block') return e4m3(row[c]!) * scale(blockIndex(q.block!, r, c, shape));
  throw new Error(`No plain reading of ${mode}; compare it with floats instead`);
}

/** Scale of the tile that holds (row, column); matrices of experts follow one another. */
function blockIndex([height, width]: [number, number], r: number, c: number, shape: number[]): number {
  const rows = shape.at(-2)!;
  const [down, across] = [Math.ceil(rows / height), Math.ceil(shape.at(-1)! / width)];
  return (
    Math.floor(r / rows) * down * across + Math.floor((r % rows) / height) * across + Math.floor(c / width)
  );
}

function scaleReader(q: Quantization, scales: StoredArray): (i: number) => number {
  if (q.mode === 'mxfp4' || q.mode === 'mxfp8') return (i) => e8m0(scales.bytes[i]!);
  if (q.mode === 'nvfp4') return (i) => e4m3(scales.bytes[i]!);
  const values = toFloats(scales);
  return (i) => values[i]!;
}

/** Bits [from, from + count) of a little-endian bit stream. */
function bitField(bytes: Buffer, from: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value |= ((bytes[(from + i) >> 3]! >> ((from + i) & 7)) & 1) << i;
  return value;
}

function permuted(data: Float32Array, shape: number[], order: number[]): [Float32Array, number[]] {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const to = order.map((axis) => shape[axis]!);
  const out = new Float32Array(data.length);
  const index = to.map(() => 0);
  for (let i = 0; i < out.length; i++) {
    out[i] = data[order.reduce((sum, axis, k) => sum + index[k]! * strides[axis]!, 0)]!;
    for (let k = to.length - 1; k >= 0 && ++index[k]! === to[k]; k--) index[k] = 0;
  }
  return [out, to];
}

function sliced(
  data: Float32Array,
  shape: number[],
  axis: number,
  start: number,
  count: number,
): Float32Array {
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const out = new Float32Array(outer * count * inner);
  for (let o = 0; o < outer; o++) {
    const from = (o * shape[axis]! + start) * inner;
    out.set(data.subarray(from, from + count * inner), o * count * inner);
  }
  return out;
}
