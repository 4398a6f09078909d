// Images as they go over the wire: PNG in a data URL, made once, and which server was sent which.
import { ByteLru } from '../../image/byte-lru.js';
import { imageIdOf } from '../../image/key.js';
import { sendable } from '../../image/pixel-jobs.js';
import type { ImageInput } from '../../image/rgb-image.js';

export interface SentImage {
  url: string;
  /** Of what is sent. */
  width: number;
  height: number;
}

/** Of data URLs kept for the next question about an image. */
const KEPT_BYTES = 96 * 2 ** 20;

export class SentImages {
  readonly #maxPixels: number | undefined;
  readonly #made = new ByteLru<SentImage>(KEPT_BYTES);

  /** @param maxPixels Largest size in which an image is sent; absent: as it is. */
  constructor(maxPixels?: number) {
    this.#maxPixels = maxPixels;
  }

  async of(input: ImageInput): Promise<SentImage> {
    const known = this.#made.get(input.pixelHash);
    if (known) return known;
    const { png, width, height } = await sendable({
      image: await input.pixels(),
      maxPixels: this.#maxPixels,
    });
    const url = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
    const made = { url, width, height };
    this.#made.set(input.pixelHash, made, url.length);
    return made;
  }
}

/** Names of images that a server has; a set of strings that forgets. */
export class KnownImages {
  readonly #names = new ByteLru<true>(4096);

  has(input: ImageInput): boolean {
    return this.#names.get(input.pixelHash) !== undefined;
  }

  add(inputs: ImageInput[]): void {
    for (const { pixelHash } of inputs) this.#names.set(pixelHash, true, 1);
  }

  forget(inputs: ImageInput[]): void {
    for (const { pixelHash } of inputs) this.#names.delete(pixelHash);
  }
}

export const uuidOf = ({ pixelHash }: ImageInput): string => imageIdOf(pixelHash);
