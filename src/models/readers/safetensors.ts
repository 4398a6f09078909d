// Small safetensors files of networks that are folded in memory: float tensors as f32.
import { AfterimageError } from '../../errors.js';

export interface Tensor {
  shape: number[];
  data: Float32Array;
}

interface HeaderEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** The F32 and F16 tensors of a safetensors image; others are left out. @throws AfterimageError INVALID_CHECKPOINT */
export function tensorsOf(bytes: Buffer, file: string): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  try {
    const start = 8 + Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, HeaderEntry>;
    for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
      if (dtype !== 'F32' && dtype !== 'F16') continue;
      const part = new Uint8Array(bytes.subarray(start + offsets[0], start + offsets[1]));
      const data = dtype === 'F32' ? new Float32Array(part.buffer) : widened(new Uint16Array(part.buffer));
      if (data.length !== shape.reduce((product, axis) => product * axis, 1))
        throw new RangeError(`Tensor "${name}" has ${data.length} elements`);
      tensors.set(name, { shape, data });
    }
  } catch (cause) {
    throw new AfterimageError(
      'INVALID_CHECKPOINT',
      `"${file}" is not a usable safetensors file; download it again.`,
      { cause },
    );
  }
  return tensors;
}

/** A number that f16 counts from, as f32 has it: 2 ** -24 of its fraction where the exponent is 0. */
const SUBNORMAL = 2 ** -24;

/** IEEE 754 binary16, subnormals, infinities and NaN included. */
function widened(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i]!;
    const [sign, exponent, fraction] = [half & 0x8000, (half >> 10) & 31, half & 1023];
    if (exponent === 0) values[i] = (sign === 0 ? SUBNORMAL : -SUBNORMAL) * fraction;
    else bits[i] = (sign << 16) | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
  }
  return values;
}
