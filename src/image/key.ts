// The identity of an image is its pixels: the same picture as PNG, as WebP or under another name is one image.
import { createHash } from 'node:crypto';
import type { RgbImage } from './rgb-image.js';
import { ByteLru } from './byte-lru.js';
import { unwrapped } from './spelling.js';

/** What can be said about encoded bytes once they have been decoded. */
export interface PixelIdentity {
  /** Hex SHA-256 of width, height, 'RGB8' and the pixels. */
  pixelHash: string;
  width: number;
  height: number;
}

export function bytesHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function pixelIdentity(image: RgbImage): PixelIdentity {
  const { width, height } = image;
  const pixelHash = createHash('sha256').update(`${width} ${height} RGB8\n`).update(image.data).digest('hex');
  return { pixelHash, width, height };
}

/** The handle that tools give out: 128 bits of the pixel hash. */
export function imageIdOf(pixelHash: string): string {
  return `img_${pixelHash.slice(0, 32)}`;
}

/** How resources name images. */
export const IMAGE_URI = 'afterimage://image/';

/** The image_id that a reference names, with blanks or quotes around it or as a resource; else undefined. */
export function imageIdIn(reference: string): string | undefined {
  if (reference.length > 1024) return undefined;
  const bare = unwrapped(reference);
  const id = bare.startsWith(IMAGE_URI) ? bare.slice(IMAGE_URI.length) : bare;
  return /^img_[0-9a-z]*$/.test(id) ? id : undefined;
}

export function isImageId(text: string): boolean {
  return /^img_[0-9a-f]{32}$/.test(text);
}

/** Remembers which bytes decode to which pixels, so that a picture seen before needs no decoding. */
export class PixelMemo {
  readonly #identities: ByteLru<PixelIdentity>;

  constructor(entries = 4096) {
    this.#identities = new ByteLru(entries);
  }

  /** @param hash Of the encoded bytes. */
  get(hash: string): PixelIdentity | undefined {
    return this.#identities.get(hash);
  }

  set(hash: string, identity: PixelIdentity): void {
    this.#identities.set(hash, identity, 1);
  }
}
