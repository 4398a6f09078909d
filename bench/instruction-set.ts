import { loadAddon } from '../src/engine/native.js';

/** The instruction set of our kernels on this machine, as "avx2": of "cpu avx2, 2 threads". */
export function instructionSet(): string {
  return loadAddon().backendIdentity('cpu', 0).split(/[ ,]/)[1]!;
}
