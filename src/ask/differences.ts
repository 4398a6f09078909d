// Difference pictures of earlier comparisons, by id: large, so results only name them.
import { randomBytes } from 'node:crypto';
import { ByteLru } from '../image/byte-lru.js';
import { unwrapped } from '../image/spelling.js';

export const DIFF_URI = 'afterimage://diff/';

const BUDGET = 64 * 2 ** 20;

export class Differences {
  readonly #pictures = new ByteLru<Uint8Array>(BUDGET);

  /** @returns the id under which the PNG can be fetched */
  put(png: Uint8Array): string {
    const id = `diff_${randomBytes(16).toString('hex')}`;
    this.#pictures.set(id, png, png.length);
    return id;
  }

  get(id: string): Uint8Array | undefined {
    return this.#pictures.get(id);
  }

  /** The PNG that a reference names by its address or id. */
  named(reference: string): Uint8Array | undefined {
    if (reference.length > 1024) return undefined;
    const bare = unwrapped(reference);
    return this.get(bare.startsWith(DIFF_URI) ? bare.slice(DIFF_URI.length) : bare);
  }

  /** Most recent first. */
  list(): string[] {
    return [...this.#pictures.entries()].map(([id]) => id).reverse();
  }
}
