// How large pictures are seen: a processor for each limit on pixels. The limit is part of a processor's identity, and
// so of an image's key.
import { CLOSELY, type ImageInput } from '../image/rgb-image.js';
import type { Processor } from '../models/family.js';

export class Sight {
  #usual: number | undefined;

  /** Most pixels of a picture that does not say so itself; undefined: as the checkpoint, or whoever started the program, has it. */
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
}

/** Limits come with questions; more than a few at a time are nobody's. */
const MOST_LIMITS = 64;

export class Processors {
  readonly #whole: Processor;
  readonly #limited = new Map<number, Processor>();

  constructor(whole: Processor) {
    this.#whole = whole;
  }

  /** @param limit Most pixels of a picture; undefined: none but the checkpoint's. */
  of(limit: number | undefined): Processor {
    if (limit === undefined) return this.#whole;
    const known = this.#limited.get(limit);
    if (known) return known;
    if (this.#limited.size >= MOST_LIMITS) this.#limited.clear();
    const processor = this.#whole.limitedTo(limit);
    this.#limited.set(limit, processor);
    return processor;
  }
}
