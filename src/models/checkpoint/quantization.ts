// How one stored matrix is quantized, read from the tensors themselves: names tell the scheme, shapes bits and group
// size, the scales' dtype the mode. config.json says the same per module, but is wrong in mixed-precision uploads
// (https://github.com/ollama/ollama/issues/16661), so it is not consulted.
import type { Checkpoint } from './checkpoint.js';
import { foreignMatrix } from './foreign-quantization.js';
import { floatTypes, invalid, requireFloats, requireShape } from './stored-tensors.js';
import type { Quantization, StoredMatrix } from './stored-tensors.js';

const AFFINE_BITS = [2, 3, 4, 5, 6, 8];
const AFFINE_GROUPS = [32, 64, 128];
const FP_MODES = [
  { mode: 'mxfp4', bits: 4, group: 32 },
  { mode: 'mxfp8', bits: 8, group: 32 },
  { mode: 'nvfp4', bits: 4, group: 16 },
] as const;
const BYTE_SCALES = ['U8', 'F8_E8M0', 'F8_E4M3'];

/** @param shape Logical shape; the last axis is the quantized one. @throws AfterimageError INVALID_CHECKPOINT */
export function storedMatrix(checkpoint: Checkpoint, path: string, shape: number[]): StoredMatrix {
  const has = (suffix: string): boolean => checkpoint.tensors.has(`${path}${suffix}`);
  const blocks = blocksOf(checkpoint, `${path}.weight`, shape);
  if (blocks) return blocks;
  if (has('.scales') && !has('.qweight')) return mlx(checkpoint, path, shape);
  const foreign = foreignMatrix(checkpoint, path, shape);
  if (foreign) return foreign;
  // Stacked experts may be bare parameters ("mlp.experts.gate_up_proj").
  return floats(checkpoint, has('.weight') || !has('') ? `${path}.weight` : path, shape);
}

/** GGUF's blocks: bits of the codes as kernels read them, and values that share a scale. */
const BLOCKS: Record<string, [bits: 4 | 8, group: number]> = {
  ...{ Q4_0: [4, 32], Q4_1: [4, 32], Q5_0: [8, 32], Q5_1: [8, 32], Q8_0: [8, 32] },
  ...{ Q2_K: [4, 16], Q3_K: [4, 16], Q4_K: [4, 32], Q5_K: [8, 32], Q6_K: [8, 16] },
};
export const blockTypes: readonly string[] = Object.keys(BLOCKS);

function blocksOf(checkpoint: Checkpoint, tensor: string, shape: number[]): StoredMatrix | undefined {
  const block = BLOCKS[checkpoint.tensors.get(tensor)?.dtype ?? ''];
  if (!block) return undefined;
  requireShape(checkpoint, tensor, shape);
  return { tensor, quantization: { mode: 'gguf', bits: block[0], group: block[1], scales: [] } };
}

/** @throws AfterimageError INVALID_CHECKPOINT where the tensor is missing, of another shape or not a float. */
export function floats(checkpoint: Checkpoint, tensor: string, shape: number[]): StoredMatrix {
  requireFloats(checkpoint, tensor, shape);
  return { tensor };
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
  const affine = floatTypes.includes(dtype) && AFFINE_BITS.includes(bits) && AFFINE_GROUPS.includes(group);
  if (affine) return 'affine';
  const mode = FP_MODES.find((known) => known.bits === bits && known.group === group);
  if (mode && BYTE_SCALES.includes(dtype) && !checkpoint.tensors.has(`${path}.biases`)) return mode.mode;
  throw invalid(
    `"${path}" is quantized to ${bits} bits in groups of ${group} with ${dtype} scales, which is not a known MLX format`,
  );
}

/** Last axis of a tensor whose other axes are those of `shape`. */
function lastAxis(checkpoint: Checkpoint, tensor: string, shape: number[]): number {
  const last = checkpoint.tensors.get(tensor)?.shape.at(-1) ?? 0;
  requireShape(checkpoint, tensor, [...shape.slice(0, -1), last]);
  return last;
}
