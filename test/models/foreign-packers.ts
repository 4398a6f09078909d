// Small quantizers for every form that other tools store: floats become that form's tensors and the numbers for which
// these stand, computed here from their descriptions alone.
import type { Tensors, TensorSpec } from './tiny-checkpoint.js';

export interface Packed {
  /** By suffix of the module's path. */
  tensors: Tensors;
  /** [rows][columns] */
  values: Float32Array;
}

export type Packer = (values: Float32Array, rows: number, columns: number) => Packed;

const scratch = new DataView(new ArrayBuffer(4));

/** Nearest, ties to even. */
export function bf16Bits(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

export function fromBf16(bits: number): number {
  scratch.setUint32(0, bits * 65536);
  return scratch.getFloat32(0);
}

/** Nearest, ties to even; of what f16 holds. */
export function f16Bits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 2 ** -24)));
  const even = (x: number): number => {
    const low = Math.floor(x);
    return x - low > 0.5 || (x - low === 0.5 && low % 2 === 1) ? low + 1 : low;
  };
  const units = even(size / 2 ** (exponent - 10));
  return sign | (units < 1024 ? units : (exponent + 15) * 1024 + (units - 1024));
}

export function fromF16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

export type FloatType = 'F32' | 'F16' | 'BF16';

export function rounded(value: number, type: FloatType): number {
  if (type === 'F32') return Math.fround(value);
  return type === 'F16' ? fromF16(f16Bits(value)) : fromBf16(bf16Bits(value));
}

const bytesOf = (array: Uint16Array | Uint32Array | Int8Array | Int32Array | Float32Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

export function floatSpec(values: ArrayLike<number>, shape: number[], type: FloatType): TensorSpec {
  const list = Array.from(values);
  const bytes =
    type === 'F32'
      ? bytesOf(Float32Array.from(list))
      : bytesOf(Uint16Array.from(list, type === 'F16' ? f16Bits : bf16Bits));
  return { dtype: type, shape, bytes };
}

const int32 = (values: ArrayLike<number>, shape: number[]): TensorSpec => ({
  dtype: 'I32',
  shape,
  bytes: bytesOf(Int32Array.from(values)),
});

/** `count` numbers of `bits` bits as a little-endian bit stream of 32-bit words. */
function stream(count: number, bits: number, number: (i: number) => number): Int32Array {
  const words = new Int32Array(Math.ceil((count * bits) / 32));
  for (let i = 0; i < count; i++)
    for (let b = 0; b < bits; b++) {
      const at = i * bits + b;
      words[at >> 5]! |= ((number(i) >> b) & 1) << (at & 31);
    }
  return words;
}

interface Grid {
  codes: Uint8Array;
  scales: Float32Array;
  zeros: Uint8Array;
  groups: number;
  groupOf: (column: number) => number;
  values: Float32Array;
}

interface GridOptions {
  bits: number;
  group: number;
  type: FloatType;
  symmetric?: boolean;
  /** Columns in the order in which groups take them. */
  shuffled?: boolean;
}

/** Whole numbers from 0 on with a scale and a zero for each group of a row. */
function grid(values: Float32Array, rows: number, columns: number, o: GridOptions): Grid {
  const groups = Math.ceil(columns / o.group);
  const groupOf = (column: number): number =>
    o.shuffled ? Math.floor(((column * 7) % columns) / o.group) : Math.floor(column / o.group);
  const most = 2 ** o.bits - 1;
  const made: Grid = {
    codes: new Uint8Array(rows * columns),
    scales: new Float32Array(rows * groups),
    zeros: new Uint8Array(rows * groups),
    groups,
    groupOf,
    values: new Float32Array(rows * columns),
  };
  for (let r = 0; r < rows; r++) {
    for (let g = 0; g < groups; g++) {
      const own = Array.from({ length: columns }, (_, c) => c).filter((c) => groupOf(c) === g);
      const numbers = own.map((c) => values[r * columns + c]!);
      const low = Math.min(0, ...numbers);
      const high = Math.max(0, ...numbers);
      const spread = o.symmetric ? (2 * Math.max(-low, high) * (most + 1)) / most : high - low;
      const scale = rounded(spread / most || 1, o.type);
      const zero = o.symmetric ? 2 ** (o.bits - 1) : Math.min(most, Math.round(-low / scale));
      made.scales[r * groups + g] = scale;
      made.zeros[r * groups + g] = zero;
      for (const c of own) {
        const q = Math.max(0, Math.min(most, Math.round(values[r * columns + c]! / scale) + zero));
        made.codes[r * columns + c] = q;
        made.values[r * columns + c] = scale * (q - zero);
      }
    }
  }
  return made;
}

/** MLX's: scale · q + bias. */
export const mlxAffine =
  (bits: number, group: number): Packer =>
  (values, rows, columns) => {
    const g = grid(values, rows, columns, { bits, group, type: 'BF16' });
    const biases = g.scales.map((scale, i) => rounded(-scale * g.zeros[i]!, 'BF16'));
    const words = (columns * bits) / 32;
    const codes = Array.from({ length: rows }, (_, r) =>
      Array.from(stream(columns, bits, (c) => g.codes[r * columns + c]!)),
    ).flat();
    return {
      tensors: {
        '.weight': { ...int32(codes, [rows, words]), dtype: 'U32' },
        '.scales': floatSpec(g.scales, [rows, g.groups], 'BF16'),
        '.biases': floatSpec(biases, [rows, g.groups], 'BF16'),
      },
      values: Float32Array.from(g.codes, (q, i) => {
        const at = Math.floor(i / columns) * g.groups + g.groupOf(i % columns);
        return Math.fround(Math.fround(g.scales[at]! * q) + biases[at]!);
      }),
    };
  };

const transposed = (list: ArrayLike<number>, rows: number, columns: number): number[] =>
  Array.from({ length: rows * columns }, (_, i) => list[(i % rows) * columns + Math.floor(i / rows)]!);

export const gptq =
  (
    bits: number,
    group: number,
    {
      v2 = false,
      shuffled = false,
      type = 'F16',
    }: { v2?: boolean; shuffled?: boolean; type?: FloatType } = {},
  ): Packer =>
  (values, rows, columns) => {
    const g = grid(values, rows, columns, { bits, group: Math.min(group, columns), type, shuffled });
    const words = Math.ceil((columns * bits) / 32);
    const qweight = new Int32Array(words * rows);
    for (let r = 0; r < rows; r++)
      stream(columns, bits, (c) => g.codes[r * columns + c]!).forEach((word, w) => {
        qweight[w * rows + r] = word;
      });
    const zeroWords = Math.ceil((rows * bits) / 32);
    const qzeros = Array.from({ length: g.groups }, (_, k) =>
      Array.from(stream(rows, bits, (r) => (g.zeros[r * g.groups + k]! - (v2 ? 0 : 1)) & (2 ** bits - 1))),
    ).flat();
    return {
      tensors: {
        '.qweight': int32(qweight, [words, rows]),
        '.qzeros': int32(qzeros, [g.groups, zeroWords]),
        '.scales': floatSpec(transposed(g.scales, rows, g.groups), [g.groups, rows], type),
        '.g_idx': int32(
          Array.from({ length: columns }, (_, c) => g.groupOf(c)),
          [columns],
        ),
      },
      // In the order of the groups the reference computes in the scales' type.
      values: shuffled ? g.values.map((value) => rounded(value, type)) : g.values,
    };
  };

/** Output of each nibble of a word of eight. */
const AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7];

export const awq =
  (group: number): Packer =>
  (values, rows, columns) => {
    const g = grid(values, rows, columns, { bits: 4, group: Math.min(group, columns), type: 'F16' });
    const packed = (line: (row: number) => number): number[] =>
      Array.from({ length: rows / 8 }, (_, w) =>
        AWQ_ORDER.reduce((word, place, i) => word | (line(w * 8 + place) << (4 * i)), 0),
      );
    const across = Array.from({ length: columns }, (_, c) => packed((r) => g.codes[r * columns + c]!));
    const zeros = Array.from({ length: g.groups }, (_, k) => packed((r) => g.zeros[r * g.groups + k]!));
    return {
      tensors: {
        '.qweight': int32(across.flat(), [columns, rows / 8]),
        '.qzeros': int32(zeros.flat(), [g.groups, rows / 8]),
        '.scales': floatSpec(transposed(g.scales, rows, g.groups), [g.groups, rows], 'F16'),
      },
      values: g.values,
    };
  };

export const packQuantized =
  (
    bits: number,
    group: number,
    { symmetric = true, shuffled = false, zeros = 'packed' as 'packed' | 'bytes' } = {},
  ): Packer =>
  (values, rows, columns) => {
    const size = Math.min(group, columns);
    const g = grid(values, rows, columns, { bits, group: size, type: 'BF16', symmetric, shuffled });
    const words = Math.ceil((columns * bits) / 32);
    const codes = Array.from({ length: rows }, (_, r) =>
      Array.from(stream(columns, bits, (c) => g.codes[r * columns + c]!)),
    ).flat();
    const down = Math.ceil((rows * bits) / 32);
    const zeroWords = new Int32Array(down * g.groups);
    for (let k = 0; k < g.groups; k++)
      stream(rows, bits, (r) => g.zeros[r * g.groups + k]!).forEach((word, w) => {
        zeroWords[w * g.groups + k] = word;
      });
    const asBytes: TensorSpec = {
      dtype: 'I8',
      shape: [rows, g.groups],
      bytes: bytesOf(Int8Array.from(g.zeros, (zero) => zero - 2 ** (bits - 1))),
    };
    return {
      tensors: {
        '.weight_packed': int32(codes, [rows, words]),
        '.weight_scale': floatSpec(g.scales, [rows, g.groups], 'BF16'),
        '.weight_shape': int32([rows, columns], [2]),
        ...(!symmetric && {
          '.weight_zero_point': zeros === 'bytes' ? asBytes : int32(zeroWords, [down, g.groups]),
        }),
        ...(shuffled && {
          '.weight_g_idx': int32(
            Array.from({ length: columns }, (_, c) => g.groupOf(c)),
            [columns],
          ),
        }),
      },
      values: shuffled ? g.values.map((value) => rounded(value, 'BF16')) : g.values,
    };
  };

export const int8 =
  ({
    type = 'BF16',
    symmetric = true,
    flat = false,
  }: { type?: FloatType; symmetric?: boolean; flat?: boolean } = {}): Packer =>
  (values, rows, columns) => {
    const g = grid(values, rows, columns, { bits: 8, group: columns, type, symmetric });
    return {
      tensors: {
        '.weight': {
          dtype: 'I8',
          shape: [rows, columns],
          bytes: bytesOf(Int8Array.from(g.codes, (q) => q - 128)),
        },
        '.weight_scale': floatSpec(g.scales, flat ? [rows] : [rows, 1], type),
        ...(!symmetric && {
          '.weight_zero_point': {
            dtype: 'I8',
            shape: [rows, 1],
            bytes: bytesOf(Int8Array.from(g.zeros, (zero) => zero - 128)),
          },
        }),
      },
      values: g.values,
    };
  };

export const bnbInt8: Packer = (values, rows, columns) => {
  const most = Float32Array.from({ length: rows }, (_, r) =>
    Math.max(...Array.from(values.subarray(r * columns, (r + 1) * columns), Math.abs)),
  );
  const codes = Int8Array.from(values, (value, i) =>
    Math.round((value / most[Math.floor(i / columns)]!) * 127),
  );
  return {
    tensors: {
      '.weight': { dtype: 'I8', shape: [rows, columns], bytes: bytesOf(codes) },
      '.SCB': floatSpec(most, [rows], 'F32'),
      '.weight_format': { dtype: 'U8', shape: [], bytes: Uint8Array.of(0) },
    },
    values: Float32Array.from(codes, (q, i) => q * Math.fround(most[Math.floor(i / columns)]! / 127)),
  };
};

const e4m3 = (code: number): number => {
  const exponent = (code >> 3) & 15;
  const size = exponent === 0 ? (code & 7) * 2 ** -9 : (1 + (code & 7) / 8) * 2 ** (exponent - 7);
  return code & 128 ? -size : size;
};
/** All codes but NaN. */
const E4M3 = Array.from({ length: 256 }, (_, code) => code).filter((code) => (code & 127) !== 127);

/** Gives the code whose value is nearest to a number, of two the first. */
function nearestOf(codes: readonly number[], value: (code: number) => number): (wanted: number) => number {
  const values = Float64Array.from(codes, value);
  return (wanted) => {
    let best = 0;
    for (let i = 1; i < values.length; i++)
      if (Math.abs(values[i]! - wanted) < Math.abs(values[best]! - wanted)) best = i;
    return codes[best]!;
  };
}

const nearestE4m3 = nearestOf(E4M3, e4m3);

/** E4M3 with a scale for each row, for the matrix, or for tiles of 128 × 128. */
export const fp8 =
  (
    scales: 'rows' | 'whole' | 'tiles',
    suffix: '.weight_scale' | '.weight_scale_inv',
    type: FloatType = 'F32',
  ): Packer =>
  (values, rows, columns) => {
    const [height, width] =
      scales === 'rows' ? [1, columns] : scales === 'whole' ? [rows, columns] : [128, 128];
    const [down, across] = [Math.ceil(rows / height), Math.ceil(columns / width)];
    const tileOf = (i: number): number =>
      Math.floor(Math.floor(i / columns) / height) * across + Math.floor((i % columns) / width);
    const most = new Float32Array(down * across);
    values.forEach((value, i) => (most[tileOf(i)] = Math.max(most[tileOf(i)]!, Math.abs(value))));
    const found = most.map((size) => rounded(size / 448 || 1, type));
    const codes = Uint8Array.from(values, (value, i) => nearestE4m3(value / found[tileOf(i)]!));
    const shape = scales === 'whole' ? (suffix === '.weight_scale' ? [1] : []) : [down, across];
    return {
      tensors: {
        '.weight': { dtype: 'F8_E4M3', shape: [rows, columns], bytes: codes },
        [suffix]: floatSpec(found, shape, type),
        '.input_scale': floatSpec([1], [1], 'F32'),
      },
      values: Float32Array.from(codes, (code, i) => e4m3(code) * found[tileOf(i)]!),
    };
  };

/** Quantiles of a normal distribution, as bitsandbytes rounds them. */
const NF4 = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
].map(Math.fround);
const nearestNf4 = nearestOf([...NF4.keys()], (code) => NF4[code]!);

export const nf4 =
  ({ nested = false, type = 'BF16' }: { nested?: boolean; type?: FloatType } = {}): Packer =>
  (values, rows, columns) => {
    const BLOCK = 64;
    const NESTED = 4; // bitsandbytes' is 256; the file says
    const blocks = Math.ceil(values.length / BLOCK);
    const most = Float32Array.from({ length: blocks }, (_, b) =>
      Math.max(...Array.from(values.subarray(b * BLOCK, (b + 1) * BLOCK), Math.abs)),
    );
    const map2 = Float32Array.from({ length: 256 }, (_, i) => (i - 128) / 128);
    const offset = Math.fround(most.reduce((a, b) => a + b, 0) / blocks);
    const most2 = Float32Array.from({ length: Math.ceil(blocks / NESTED) }, (_, b) =>
      Math.max(...Array.from(most.subarray(b * NESTED, (b + 1) * NESTED), (size) => Math.abs(size - offset))),
    );
    const codes2 = Uint8Array.from(most, (size, b) => {
      const wanted = (size - offset) / most2[Math.floor(b / NESTED)]!;
      return Math.max(0, Math.min(255, Math.round(wanted * 128) + 128));
    });
    const absmax = nested
      ? Float32Array.from(codes2, (code, b) =>
          Math.fround(Math.fround(map2[code]! * most2[Math.floor(b / NESTED)]!) + offset),
        )
      : most;
    const codes = Uint8Array.from(values, (value, i) => nearestNf4(value / absmax[Math.floor(i / BLOCK)]!));
    const dtype = { BF16: 'bfloat16', F16: 'float16', F32: 'float32' }[type];
    const state = Buffer.from(
      JSON.stringify({
        quant_type: 'nf4',
        blocksize: BLOCK,
        dtype,
        shape: [rows, columns],
        ...(nested && { nested_blocksize: NESTED, nested_dtype: 'float32', nested_offset: offset }),
      }),
    );
    const packed = Uint8Array.from(
      { length: Math.ceil(codes.length / 2) },
      (_, i) => (codes[2 * i]! << 4) | (codes[2 * i + 1] ?? 0),
    );
    return {
      tensors: {
        '.weight': { dtype: 'U8', shape: [packed.length, 1], bytes: packed },
        '.weight.absmax': nested
          ? { dtype: 'U8', shape: [blocks], bytes: codes2 }
          : floatSpec(most, [blocks], 'F32'),
        '.weight.quant_map': floatSpec(NF4, [16], 'F32'),
        '.weight.quant_state.bitsandbytes__nf4': { dtype: 'U8', shape: [state.length], bytes: state },
        ...(nested && {
          '.weight.nested_absmax': floatSpec(most2, [most2.length], 'F32'),
          '.weight.nested_quant_map': floatSpec(map2, [256], 'F32'),
        }),
      },
      values: Float32Array.from(codes, (code, i) =>
        rounded(Math.fround(NF4[code]! * absmax[Math.floor(i / BLOCK)]!), type),
      ),
    };
  };

const E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6];
const nearestE2m1 = nearestOf([...E2M1.keys()], (code) => E2M1[code]!);
const nearestScale = nearestOf(
  E4M3.filter((code) => code < 128 && code > 0),
  e4m3,
);

/** E2M1 in groups of 16, an E4M3 scale each, one for the matrix: modelopt multiplies by it, compressed-tensors divides. */
export const nvfp4 =
  (maker: 'modelopt' | 'compressed-tensors'): Packer =>
  (values, rows, columns) => {
    const GROUP = 16;
    const whole = Math.max(...Array.from(values, Math.abs)) / (448 * 6);
    const stated = Math.fround(maker === 'modelopt' ? whole : 1 / whole);
    const factor = maker === 'modelopt' ? stated : Math.fround(1 / stated);
    const groups = values.length / GROUP;
    const scales = Uint8Array.from({ length: groups }, (_, g) => {
      const own = Array.from(values.subarray(g * GROUP, (g + 1) * GROUP), Math.abs);
      return nearestScale(Math.max(...own) / 6 / factor);
    });
    const found = Float32Array.from(scales, (code) => e4m3(code) * factor);
    const codes = Uint8Array.from(values, (value, i) => nearestE2m1(value / found[Math.floor(i / GROUP)]!));
    const packed = Uint8Array.from(
      { length: codes.length / 2 },
      (_, i) => codes[2 * i]! | (codes[2 * i + 1]! << 4),
    );
    const [weight, name] =
      maker === 'modelopt' ? ['.weight', '.weight_scale_2'] : ['.weight_packed', '.weight_global_scale'];
    return {
      tensors: {
        [weight]: { dtype: 'U8', shape: [rows, columns / 2], bytes: packed },
        '.weight_scale': { dtype: 'F8_E4M3', shape: [rows, columns / GROUP], bytes: scales },
        [name]: floatSpec([stated], maker === 'modelopt' ? [] : [1], 'F32'),
      },
      values: Float32Array.from(codes, (code, i) => E2M1[code]! * found[Math.floor(i / GROUP)]!),
    };
  };
