// Difference pictures of earlier comparisons, by id: large, so results only name them.
import { randomBytes } from 'node:crypto';
import { ByteLru } from '../image/byte-lru.js';

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

  /** Most recent first. */
  list(): string[] {
    return [...this.#pictures.entries()].map(([id]) => id).reverse();
  }
}
