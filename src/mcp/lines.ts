// Whole lines out of stdin chunks, in linear time, with a bound on the length of one line.
import { Transform, type TransformCallback } from 'node:stream';
import { LONGEST_REST } from './app.js';
import { Breath } from './breath.js';
import { LiftedMessage } from './lifted.js';

const NEWLINE = 0x0a;

/**
 * Emits one chunk per group of complete lines. The SDK's reader joins its buffer with each chunk it gets, which costs
 * seconds for a picture sent in 64 KB pieces. Long strings are lifted out. A line over `longest` bytes, or over
 * `LONGEST_REST` without them, is left out and reported once.
 */
export class WholeLines extends Transform {
  readonly #longest: number;
  readonly #onTooLong: () => void;
  #parts: Buffer[] = [];
  #length = 0;
  #rest = 0;
  #message = new LiftedMessage();
  readonly #breath = new Breath();
  #skipping = false;

  constructor(longest: number, onTooLong: () => void) {
    super();
    this.#longest = longest;
    this.#onTooLong = onTooLong;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#cut(chunk);
    if (this.#breath.due(chunk.length)) setImmediate(done);
    else done();
  }

  #cut(chunk: Buffer): void {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      return this.#keep(chunk);
    }
    const first = chunk.indexOf(NEWLINE) + 1;
    // A line that ends within a string is broken, but it is a line.
    this.#keep(chunk.subarray(0, first - 1));
    if (!this.#skipping)
      this.push(Buffer.concat([...this.#parts, ...this.#message.end(), chunk.subarray(first - 1, first)]));
    this.#forget();
    if (end > first) this.push(chunk.subarray(first, end));
    if (end < chunk.length) this.#keep(chunk.subarray(end));
  }

  #keep(part: Buffer): void {
    if (this.#skipping) return;
    const lifted = this.#message.lift(part);
    this.#length += part.length;
    this.#rest += lifted.reduce((sum, { length }) => sum + length, 0);
    this.#parts.push(...lifted);
    if (this.#length <= this.#longest && this.#rest <= LONGEST_REST) return;
    this.#forget();
    this.#skipping = true;
    this.#onTooLong();
  }

  #forget(): void {
    this.#parts = [];
    this.#length = 0;
    this.#rest = 0;
    this.#message = new LiftedMessage();
    this.#skipping = false;
  }
}
