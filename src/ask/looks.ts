// What the first look at each picture cost here, so that a later one can say what it was spared: measured, never guessed.
// A picture that was computed elsewhere or before this process began has no price, and nothing is claimed for it.
import type { CacheReport } from '../engine/engine.js';
import { ByteLru } from '../image/byte-lru.js';
import type { Picture } from './conversations.js';

export interface Reuse extends CacheReport {
  /** What the first looks at these pictures took, less what this one took. */
  saved_ms?: number;
}

const REMEMBERED = 4096;

export class Looks {
  /** Milliseconds of encoding and reading into the cache, by model and picture. */
  readonly #first = new ByteLru<number>(REMEMBERED);

  /** Remembers what was computed, or adds what was saved. */
  weighed(model: string, pictures: readonly Picture[], cache: CacheReport): Reuse {
    const { image_tokens = 0, image_tokens_reused, encode_ms, prefill_ms } = cache;
    if (image_tokens === 0 || encode_ms === undefined || prefill_ms === undefined) return cache;
    const took = encode_ms + prefill_ms;
    const keys = pictures.map(({ input }) => `${model} ${input.pixelHash} ${input.maxPixels ?? ''}`);
    if (image_tokens_reused === 0 && cache.source === 'none') {
      // Of several that were seen at once each has its share.
      for (const key of keys) this.#first.set(key, took / keys.length, 1);
      return cache;
    }
    const first = keys.map((key) => this.#first.get(key) ?? NaN).reduce((sum, ms) => sum + ms, 0);
    return first > took ? { ...cache, saved_ms: Math.round(first - took) } : cache;
  }
}
