// Which later tokens a prompt token may see, as the first cache index it must not see. Causal: its own index + 1.
import type { ImageVisibility } from './family.js';

/**
 * block: tokens of one uninterrupted run of image tokens see the whole run (Gemma 3). prefix: every token of the
 * prompt sees the whole prompt (PaliGemma); what is generated later is causal.
 */
export function visibleEnds(
  inputIds: ArrayLike<number>,
  imageTokenId: number,
  visibility: ImageVisibility,
): Int32Array {
  const tokens = inputIds.length;
  const ends = Int32Array.from({ length: tokens }, (_, i) => i + 1);
  if (visibility === 'prefix') return ends.fill(tokens);
  if (visibility === 'block') {
    for (let i = tokens - 2; i >= 0; i--) {
      if (inputIds[i] === imageTokenId && inputIds[i + 1] === imageTokenId) ends[i] = ends[i + 1]!;
    }
  }
  return ends;
}
