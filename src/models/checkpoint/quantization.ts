// How one stored matrix is quantized, read from the tensors themselves: names tell the scheme, shapes bits and group
// size, the scales' dtype the mode. config.json says the same per module, but is wrong in mixed-precision uploads
// (https://github.com/ollama/ollama/issues/16661), so it is not consulted.
import { AfterimageError } from '../../errors.js';
import type { WeightRecipe } from '../../graph/program.js';
import type { Checkpoint } from './checkpoint.js';

export type Quantization = NonNullable<WeightRecipe['quantization']>;
export interface StoredMatrix {
  /** Name of the tensor that holds the values or codes. */
  tensor: string;
  quantization?: Quantization;
}

const AFFINE_BITS = [2, 3, 4, 5, 6, 8];
const AFFINE_GROUPS = [32, 64, 128];
const FP_MODES = [
  { mode: 'mxfp4', bits: 4, group: 32 },
  { mode: 'mxfp8', bits: 8, group: 32 },
  { mode: 'nvfp4', bits: 4, group: 16 },
] as const;
const FLOATS = ['F32', 'F16', 'BF16'];
const BYTE_SCALES = ['U8', 'F8_E8M0', 'F8_E4M3'];

/** @param shape Logical shape; the last axis is the quantized one. @throws AfterimageError INVALID_CHECKPOINT */
export function storedMatrix(checkpoint: Checkpoint, path: string, shape: number[]): StoredMatrix {
  const has = (suffix: string): boolean => checkpoint.tensors.has(`${path}${suffix}`);
  if (has('.qweight'))
    throw invalid(
      `"${path}" is quantized by GPTQ or AWQ, which is not supported; use an MLX or unquantized checkpoint`,
    );
  if (has('.weight_scale_2') || has('.weight_global_scale'))
    throw invalid(
      `"${path}" is packed as NVFP4 by modelopt or compressed-tensors, which is not supported; use an MLX checkpoint`,
    );
  if (has('.weight_packed')) return int4(checkpoint, path, shape);
  if (has('.scales')) return mlx(checkpoint, path, shape);
  if (has('.weight_scale_inv')) return fp8(checkpoint, path, shape);
  // Stacked experts may be bare parameters ("mlp.experts.gate_up_proj").
  return floats(checkpoint, has('.weight') || !has('') ? `${path}.weight` : path, shape);
}

/** @throws AfterimageError INVALID_CHECKPOINT where the tensor is missing, of another shape or not a float. */
export function floats(checkpoint: Checkpoint, tensor: string, shape: number[]): StoredMatrix {
  requireShape(checkpoint, tensor, shape);
  const { dtype } = checkpoint.tensors.get(tensor)!;
  if (!FLOATS.includes(dtype))
    throw invalid(
      `Tensor "${tensor}" is stored as ${dtype}; expected ${FLOATS.join(', ')} or a known quantization`,
    );
  return { tensor };
}

/** @throws AfterimageError INVALID_CHECKPOINT naming the tensor and both shapes. */
export function requireShape(checkpoint: Checkpoint, tensor: string, shape: number[]): void {
  const info = checkpoint.tensors.get(tensor);
  if (!info) throw invalid(`Tensor "${tensor}" is missing`);
  if (info.shape.length !== shape.length || info.shape.some((n, i) => n !== shape[i])) {
    throw invalid(
      `Tensor "${tensor}" has shape [${info.shape.join(', ')}]; the configuration asks for [${shape.join(', ')}]`,
    );
  }
}

/** MLX: codes in U32 words, one scale per group; affine adds one bias per group. */
function mlx(checkpoint: Checkpoint, path: string, shape: number[]): StoredMatrix {
  const [tensor, scales] = [`${path}.weight`, `${path}.scales`];
  const columns = shape.at(-1)!;
  const words = lastAxis(checkpoint, tensor, shape);
  const groups = lastAxis(checkpoint, scales, shape);
  const [bits, group] = [(32 * words) / columns, columns / groups];
  const mode = mlxMode(checkpoint, path, bits, group);
  if (checkpoint.tensors.get(tensor)!.dtype !== 'U32')
    throw invalid(`Codes "${tensor}" are stored as ${checkpoint.tensors.get(tensor)!.dtype}; expected U32`);
  if (mode !== 'affine') return { tensor, quantization: { mode, bits, group, scales: [scales] } };
  requireShape(checkpoint, `${path}.biases`, [...shape.slice(0, -1), groups]);
  return { tensor, quantization: { mode, bits, group, scales: [scales], biases: [`${path}.biases`] } };
}

/** An mxfp8 tensor has the shapes of affine 8 bit, group 32: byte scales without biases tell them apart. */
function mlxMode(checkpoint: Checkpoint, path: string, bits: number, group: number): Quantization['mode'] {
  const { dtype } = checkpoint.tensors.get(`${path}.scales`)!;
  const affine = FLOATS.includes(dtype) && AFFINE_BITS.includes(bits) && AFFINE_GROUPS.includes(group);
  if (affine) return 'affine';
  const mode = FP_MODES.find((known) => known.bits === bits && known.group === group);
  if (mode && BYTE_SCALES.includes(dtype) && !checkpoint.tensors.has(`${path}.biases`)) return mode.mode;
  throw invalid(
    `"${path}" is quantized to ${bits} bits in groups of ${group} with ${dtype} scales, which is not a known MLX format`,
  );
}

/** compressed-tensors pack-quantized: eight nibbles per I32, symmetric around 8. */
function int4(checkpoint: Checkpoint, path: string, shape: number[]): StoredMatrix {
  const tensor = `${path}.weight_packed`;
  const columns = shape.at(-1)!;
  requireShape(checkpoint, tensor, [...shape.slice(0, -1), Math.ceil(columns / 8)]);
  if (checkpoint.tensors.has(`${path}.weight_zero_point`))
    throw invalid(`"${path}" has zero points; only symmetric int4 is supported`);
  const group = columns / lastAxis(checkpoint, `${path}.weight_scale`, shape);
  if (!Number.isInteger(group))
    throw invalid(`"${path}.weight_scale" does not divide ${columns} columns into groups`);
  return {
    tensor,
    quantization: { mode: 'int4_symmetric', bits: 4, group, scales: [`${path}.weight_scale`] },
  };
}

/** E4M3 values with one scale per tile, or one for the whole matrix. */
function fp8(checkpoint: Checkpoint, path: string, shape: number[]): StoredMatrix {
  const [tensor, scales] = [`${path}.weight`, `${path}.weight_scale_inv`];
  requireShape(checkpoint, tensor, shape);
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  const scaleShape = checkpoint.tensors.get(scales)!.shape;
  const perTensor = scaleShape.every((n) => n === 1);
  const block: [number, number] = perTensor ? [rows, columns] : fp8Block(checkpoint);
  if (!perTensor)
    requireShape(checkpoint, scales, [
      ...shape.slice(0, -2),
      Math.ceil(rows / block[0]),
      Math.ceil(columns / block[1]),
    ]);
  return { tensor, quantization: { mode: 'fp8_block', bits: 8, group: block[1], block, scales: [scales] } };
}

function fp8Block(checkpoint: Checkpoint): [number, number] {
  const size = (checkpoint.config.quantization_config as { weight_block_size?: unknown } | undefined)
    ?.weight_block_size;
  return Array.isArray(size) && size.length === 2 ? [Number(size[0]), Number(size[1])] : [128, 128];
}

/** Last axis of a tensor whose other axes are those of `shape`. */
function lastAxis(checkpoint: Checkpoint, tensor: string, shape: number[]): number {
  const last = checkpoint.tensors.get(tensor)?.shape.at(-1) ?? 0;
  requireShape(checkpoint, tensor, [...shape.slice(0, -1), last]);
  return last;
}

function invalid(what: string): AfterimageError {
  return new AfterimageError('INVALID_CHECKPOINT', `${what}; download the checkpoint again.`);
}
