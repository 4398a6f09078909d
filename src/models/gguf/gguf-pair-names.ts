// What the names of GGUF files say of them.
import { basename } from 'node:path';

export const isGguf = (name: string): boolean => name.toLowerCase().endsWith('.gguf');
export const isProjector = (name: string): boolean => /mmproj/i.test(basename(name));

/** The least is nearest to what the makers published. */
export function projectorRank(name: string): number {
  const kinds = ['bf16', 'f16', 'f32', 'q8_0'];
  const found = kinds.findIndex((kind) => name.toLowerCase().includes(kind));
  return found < 0 ? kinds.length : found;
}
