// Long strings lifted out of a JSON message while its bytes come in. Parsing a message with pictures in it would stop the
// event loop for as long as that takes; what is parsed instead is small, and the pictures are decoded in other threads.
import { CarriedWriter } from '../image/carried.js';

/** Bytes from which a string is lifted. */
const LONG = 65_536;
/** `params`, `arguments`: what a message says about itself lies above. */
const LEAST_DEPTH = 3;

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const OPENING = [0x7b, 0x5b];
const CLOSING = [0x7d, 0x5d];

/** For one message. */
export class LiftedMessage {
  #depth = 0;
  #inString = false;
  /** The next byte is part of an escape. */
  #escaped = false;
  /** Of the current string, as long as it is short. */
  #short: Buffer[] = [];
  #shortBytes = 0;
  #long: CarriedWriter | undefined;

  /** The bytes that take the place of the next ones; they may come later. */
  lift(chunk: Buffer): Buffer[] {
    const out: Buffer[] = [];
    for (let at = 0; at < chunk.length;) {
      at = this.#inString ? this.#throughString(chunk, at, out) : this.#toString(chunk, at, out);
    }
    return out;
  }

  /** What is held back when the message ends within a string. */
  end(): Buffer[] {
    return this.#inString ? this.#finished() : [];
  }

  #toString(chunk: Buffer, from: number, out: Buffer[]): number {
    let at = from;
    for (; at < chunk.length && !this.#inString; at++) {
      const byte = chunk[at]!;
      if (byte === QUOTE) this.#inString = true;
      else if (OPENING.includes(byte)) this.#depth++;
      else if (CLOSING.includes(byte)) this.#depth--;
    }
    out.push(chunk.subarray(from, at));
    return at;
  }

  #throughString(chunk: Buffer, from: number, out: Buffer[]): number {
    const end = this.#endOfString(chunk, from);
    this.#take(chunk.subarray(from, end));
    if (end === chunk.length) return end;
    this.#inString = false;
    out.push(...this.#finished(), chunk.subarray(end, end + 1));
    return end + 1;
  }

  /** Index of the quote that ends the string; the length where it goes on. */
  #endOfString(chunk: Buffer, from: number): number {
    for (let at = from; ;) {
      if (this.#escaped) {
        this.#escaped = false;
        at++;
      }
      const quote = chunk.indexOf(QUOTE, at);
      const end = quote < 0 ? chunk.length : quote;
      let first = end;
      while (first > at && chunk[first - 1] === BACKSLASH) first--;
      this.#escaped = (end - first) % 2 === 1;
      if (quote < 0) return chunk.length;
      if (!this.#escaped) return quote;
      at = quote;
    }
  }

  #take(piece: Buffer): void {
    if (this.#long) return this.#long.append(piece);
    this.#short.push(piece);
    this.#shortBytes += piece.length;
    if (this.#shortBytes < LONG || this.#depth < LEAST_DEPTH) return;
    this.#long = new CarriedWriter();
    for (const part of this.#short) this.#long.append(part);
    this.#short = [];
  }

  #finished(): Buffer[] {
    const parts = this.#long ? [Buffer.from(this.#long.finish(), 'latin1')] : this.#short;
    this.#long = undefined;
    this.#short = [];
    this.#shortBytes = 0;
    return parts;
  }
}
