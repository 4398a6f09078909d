// What a published checkpoint weighs, from its number of parameters.
import type { FamilyCheckpoint } from './family.js';

/** MLX affine 4 bit, group 64, bf16 scales and biases: 4 + 32/64 bits per weight. */
const BITS_4 = 4.5;
const BITS_16 = 16;

/** Converters leave the vision tower in 16 bits. */
export function bytesIn4Bits({ parameters, towerParameters }: FamilyCheckpoint): number {
  return ((parameters - towerParameters) * BITS_4 + towerParameters * BITS_16) / 8;
}

export function bytesIn16Bits({ parameters }: FamilyCheckpoint): number {
  return (parameters * BITS_16) / 8;
}
