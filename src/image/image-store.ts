// Images that were looked at, by image_id: their encoded bytes, so that a later call may name the image without its
// file. Bounded by bytes; the least recently used leave first.
import { AfterimageError } from '../errors.js';
import { ByteLru } from './byte-lru.js';
import { imageIdOf, type PixelIdentity } from './key.js';

export interface StoredImage extends PixelIdentity {
  imageId: string;
  bytes: Uint8Array;
  /** How people and messages call it. */
  name: string;
}

export const DEFAULT_STORE_BYTES = 256 * 1024 * 1024;

export class ImageStore {
  readonly #images: ByteLru<StoredImage>;

  constructor(budget = DEFAULT_STORE_BYTES) {
    this.#images = new ByteLru(budget);
  }

  put(bytes: Uint8Array, name: string, identity: PixelIdentity): StoredImage {
    const imageId = imageIdOf(identity.pixelHash);
    const image = { ...identity, imageId, bytes, name };
    this.#images.set(imageId, image, bytes.length);
    return image;
  }

  has(imageId: string): boolean {
    return this.#images.get(imageId) !== undefined;
  }

  /** @throws AfterimageError UNKNOWN_IMAGE */
  get(imageId: string): StoredImage {
    const image = this.#images.get(imageId);
    if (image) return image;
    throw new AfterimageError(
      'UNKNOWN_IMAGE',
      `${imageId.slice(0, 64)} is not known here, or not any more; give the image's path again.`,
    );
  }

  /** Most recent last. */
  list(): StoredImage[] {
    return [...this.#images.entries()].map(([, image]) => image);
  }

  get bytes(): number {
    return this.#images.bytes;
  }
}
