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

/** IEEE 754 binary16, subnormals, infinities and NaN included. */
function widened(halves: Uint16Array): Float32Array {
  return Float32Array.from(halves, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const [exponent, fraction] = [(half >> 10) & 31, half & 1023];
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
