// Pictures drawn for earlier results, by id: differences of comparisons, places that were found. They are large, so results
// only name them.
import { randomBytes } from 'node:crypto';
import { ByteLru } from '../image/byte-lru.js';
import { unwrapped } from '../image/spelling.js';

/** Addresses of resources, by what is drawn. */
export const DRAWING_URIS = { diff: 'afterimage://diff/', places: 'afterimage://places/' } as const;

export type DrawingKind = keyof typeof DRAWING_URIS;

const BUDGET = 64 * 2 ** 20;

export class Drawings {
  readonly #pictures = new ByteLru<Uint8Array>(BUDGET);

  /** @returns the address under which the PNG can be fetched */
  put(png: Uint8Array, kind: DrawingKind): string {
    const id = `${kind}_${randomBytes(16).toString('hex')}`;
    this.#pictures.set(id, png, png.length);
    return DRAWING_URIS[kind] + id;
  }

  get(id: string): Uint8Array | undefined {
    return this.#pictures.get(id);
  }

  /** The PNG that a reference names by its address or id. */
  named(reference: string): Uint8Array | undefined {
    if (reference.length > 1024) return undefined;
    const bare = unwrapped(reference);
    const uri = Object.values(DRAWING_URIS).find((prefix) => bare.startsWith(prefix));
    return this.get(uri ? bare.slice(uri.length) : bare);
  }

  /** Most recent first. */
  list(kind: DrawingKind): string[] {
    const ids = [...this.#pictures.entries()].map(([id]) => id);
    return ids.filter((id) => id.startsWith(`${kind}_`)).reverse();
  }
}
