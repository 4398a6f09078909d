// Image data that came inside a message: the text of a JSON string, kept as the bytes it arrived in. Of tens of megabytes
// no string is ever made on the main thread; in the message stands a reference that cannot be guessed.
import { randomBytes } from 'node:crypto';
import { AfterimageError } from '../errors.js';
import { sharedBytes } from '../workers/shared-bytes.js';
import { ByteLru } from './byte-lru.js';

/** Between the quotes of a JSON string, in order; escapes as they were written. */
export type CarriedText = Uint8Array<SharedArrayBuffer>[];

const PREFIX = 'afterimage-carried:';
/** No text that a tool takes is this long, so where no image is due a reference is refused as the long text it is. */
const REFERENCE_LENGTH = 32_768;
/** Few and large, for the collector's sake; what is not written to takes up no memory. */
const BLOCK = 2 ** 23;
/** Most messages are small. */
const FIRST_BLOCK = 2 ** 16;

/** Of everything whose call has not ended; more than two of the longest messages. */
const BUDGET = 384 * 2 ** 20;

const texts = new ByteLru<CarriedText>(BUDGET);

export function isCarried(reference: string): boolean {
  return reference.length === REFERENCE_LENGTH && reference.startsWith(PREFIX);
}

/** Undefined when its call has ended, or when too much came after it. */
export function carriedText(reference: string): CarriedText | undefined {
  return texts.get(reference);
}

/** Longer texts are read by no model; making a string of one takes a few milliseconds. */
const LONGEST_TEXT = 2 ** 20;

/**
 * A text that may have been carried, where it is no image that is due.
 * @throws AfterimageError INVALID_ARGUMENT when it is longer than any that is read, or no JSON
 */
export function textOf(said: string): string {
  const carried = isCarried(said) ? texts.get(said) : undefined;
  if (!carried) return said;
  const bytes = carried.reduce((sum, { length }) => sum + length, 0);
  if (bytes > LONGEST_TEXT) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `A text has ${bytes} bytes, more than the ${LONGEST_TEXT} that are read; send a shorter one.`,
    );
  }
  try {
    return JSON.parse(`"${Buffer.concat(carried).toString('utf8')}"`) as string;
  } catch (cause) {
    throw new AfterimageError('INVALID_ARGUMENT', 'A text is no JSON; send it as a JSON string.', { cause });
  }
}

/** What the arguments of a call that has ended refer to is let go. */
export function releaseCarried(value: unknown): void {
  if (typeof value === 'string') texts.delete(value);
  else if (typeof value === 'object' && value !== null) Object.values(value).forEach(releaseCarried);
}

/** Takes bytes piece by piece into memory that all threads see, so that nothing takes longer than copying a piece. */
export class SharedWriter {
  readonly #text: CarriedText = [];
  /** Of the last block. */
  #filled = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      const block = this.#block();
      const part = piece.subarray(at, at + block.length - this.#filled);
      block.set(part, this.#filled);
      this.#filled += part.length;
      this.#length += part.length;
      at += part.length;
    }
  }

  /** The last one, with room in it. */
  #block(): Uint8Array<SharedArrayBuffer> {
    const last = this.#text.at(-1);
    if (last && this.#filled < last.length) return last;
    const next = sharedBytes(last ? BLOCK : FIRST_BLOCK);
    this.#text.push(next);
    this.#filled = 0;
    return next;
  }

  /** All that was taken; nothing may be appended any more. */
  end(): CarriedText {
    const last = this.#text.pop();
    if (last) this.#text.push(last.subarray(0, this.#filled));
    return this.#text;
  }
}

/** Of one text inside a message. */
export class CarriedWriter extends SharedWriter {
  /** @returns the reference under which the text is known from now on. */
  finish(): string {
    const reference = `${PREFIX}${randomBytes(16).toString('hex')}`.padEnd(REFERENCE_LENGTH, '.');
    texts.set(reference, this.end(), this.length);
    return reference;
  }
}
