// How large pictures are seen: a processor for each limit on pixels. The limit is part of a processor's identity, and
// so of an image's key.
import { CLOSELY, type ImageInput } from '../image/rgb-image.js';
import type { Processor } from '../models/family.js';

export class Sight {
  readonly #whole: Processor;
  readonly #limited = new Map<number, Processor>();
  #usual: number | undefined;

  /** @param whole As the checkpoint, or whoever started the program, limits it. */
  constructor(whole: Processor) {
    this.#whole = whole;
  }

  get whole(): Processor {
    return this.#whole;
  }

  /** Most pixels of a picture that does not say so itself; undefined: as the whole processor has it. */
  get usual(): number | undefined {
    return this.#usual;
  }

  /** Decided before the first picture is seen, because keys depend on it. */
  decide(usual: number | undefined): void {
    this.#usual = usual;
  }

  limitOf({ maxPixels = this.#usual }: Pick<ImageInput, 'maxPixels'>): number | undefined {
    return maxPixels === undefined || maxPixels >= CLOSELY ? undefined : maxPixels;
  }

  of(image: Pick<ImageInput, 'maxPixels'>): Processor {
    const limit = this.limitOf(image);
    if (limit === undefined) return this.#whole;
    let processor = this.#limited.get(limit);
    if (!processor) this.#limited.set(limit, (processor = this.#whole.limitedTo(limit)));
    return processor;
  }
}
