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
const BLOCK = 2 ** 20;

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

/** Takes a text piece by piece, so that nothing takes longer than copying a piece. */
export class CarriedWriter {
  readonly #text: CarriedText = [];
  /** Of the last block. */
  #filled = BLOCK;
  #length = 0;

  append(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      if (this.#filled === BLOCK) {
        this.#text.push(sharedBytes(BLOCK));
        this.#filled = 0;
      }
      const part = piece.subarray(at, at + BLOCK - this.#filled);
      this.#text.at(-1)!.set(part, this.#filled);
      this.#filled += part.length;
      this.#length += part.length;
      at += part.length;
    }
  }

  /** @returns the reference under which the text is known from now on. */
  finish(): string {
    const last = this.#text.pop();
    if (last) this.#text.push(last.subarray(0, this.#filled));
    const reference = `${PREFIX}${randomBytes(16).toString('hex')}`.padEnd(REFERENCE_LENGTH, '.');
    texts.set(reference, this.#text, this.#length);
    return reference;
  }
}
