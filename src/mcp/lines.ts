// Whole lines out of stdin chunks, in linear time, with a bound on the length of one line.
import { Transform, type TransformCallback } from 'node:stream';

const NEWLINE = 0x0a;

/**
 * Emits one chunk per group of complete lines. The SDK's reader joins its buffer with each chunk it gets, which costs
 * seconds for a picture sent in 64 KB pieces. A line over `longest` bytes is left out and reported once.
 */
export class WholeLines extends Transform {
  readonly #longest: number;
  readonly #onTooLong: () => void;
  #parts: Buffer[] = [];
  #length = 0;
  #skipping = false;

  constructor(longest: number, onTooLong: () => void) {
    super();
    this.#longest = longest;
    this.#onTooLong = onTooLong;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      this.#keep(chunk);
      return done();
    }
    const first = chunk.indexOf(NEWLINE) + 1;
    this.#keep(chunk.subarray(0, first));
    if (!this.#skipping) this.push(Buffer.concat(this.#parts));
    this.#forget();
    if (end > first) this.push(chunk.subarray(first, end));
    if (end < chunk.length) this.#keep(chunk.subarray(end));
    done();
  }

  #keep(part: Buffer): void {
    if (this.#skipping) return;
    this.#length += part.length;
    this.#parts.push(part);
    if (this.#length <= this.#longest) return;
    this.#forget();
    this.#skipping = true;
    this.#onTooLong();
  }

  #forget(): void {
    this.#parts = [];
    this.#length = 0;
    this.#skipping = false;
  }
}
