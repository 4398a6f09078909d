// What a stored tensor must be: its shape and a float dtype, checked before anything is read.
import { AfterimageError } from '../../errors.js';
import type { WeightRecipe } from '../../graph/program.js';
import type { Checkpoint } from './checkpoint.js';

export type Quantization = NonNullable<WeightRecipe['quantization']>;
export interface StoredMatrix {
  /** Name of the tensor that holds the values or codes. */
  tensor: string;
  quantization?: Quantization;
}

export const floatTypes: readonly string[] = ['F32', 'F16', 'BF16'];

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

/** @throws AfterimageError INVALID_CHECKPOINT where it is missing, of another shape or no float. */
export function requireFloats(checkpoint: Checkpoint, tensor: string, shape: number[]): void {
  requireShape(checkpoint, tensor, shape);
  const { dtype } = checkpoint.tensors.get(tensor)!;
  if (!floatTypes.includes(dtype))
    throw invalid(
      `Tensor "${tensor}" is stored as ${dtype}; expected ${floatTypes.join(', ')} or a known quantization`,
    );
}

export function invalid(what: string): AfterimageError {
  return new AfterimageError('INVALID_CHECKPOINT', `${what}; download the checkpoint again.`);
}
