// What was read is kept: whole pictures by their pixels, in memory and on disk; single lines by theirs, in memory. Every
// key begins with the reader's identity, so another reader finds nothing. A damaged file is a miss.
import { createHash } from 'node:crypto';
import { ByteLru } from '../image/byte-lru.js';
import { KeptFiles, sealed, unsealed } from '../kept-files.js';
import type { LineText } from './line-text.js';
import type { Reading } from './reading.js';

const PICTURE_BYTES = 32 * 2 ** 20;
const LINE_BYTES = 32 * 2 ** 20;
const DISK_BYTES = 64 * 2 ** 20;

/** The readings in a folder. */
export function keptReadings(folder: string, mostBytes = DISK_BYTES): KeptFiles {
  return new KeptFiles(folder, { suffix: '.reading', mostBytes });
}

export class ReadingCache {
  readonly #identity: string;
  readonly #pictures = new ByteLru<Reading>(PICTURE_BYTES);
  readonly #lines = new ByteLru<LineText[]>(LINE_BYTES);
  readonly #disk: KeptFiles | undefined;

  /** @param folder Made on the first write; absent: memory only. */
  constructor(identity: string, folder?: string, diskBytes = DISK_BYTES) {
    this.#identity = identity;
    this.#disk = folder === undefined ? undefined : keptReadings(folder, diskBytes);
  }

  async picture(pixelHash: string): Promise<Reading | undefined> {
    const key = this.#key(pixelHash);
    const known = this.#pictures.get(key);
    if (known || !this.#disk) return known;
    const text = unsealed(await this.#disk.get(key));
    if (text === undefined) return undefined;
    const reading = JSON.parse(text) as Reading;
    this.#pictures.set(key, reading, text.length);
    return reading;
  }

  /** Kept in memory when this returns; on disk when its promise settles. A disk that refuses costs only the keeping. */
  async keepPicture(pixelHash: string, reading: Reading): Promise<void> {
    const key = this.#key(pixelHash);
    const text = JSON.stringify(reading);
    this.#pictures.set(key, reading, text.length);
    await this.#disk?.put(key, sealed(text));
  }

  line(hash: string): LineText[] | undefined {
    return this.#lines.get(hash);
  }

  keepLine(hash: string, pieces: LineText[]): void {
    const bytes = pieces.reduce((sum, { characters }) => sum + 100 + 40 * characters.length, 100);
    this.#lines.set(hash, pieces, bytes);
  }

  #key(pixelHash: string): string {
    return createHash('sha256').update(`${this.#identity}\n${pixelHash}`).digest('hex').slice(0, 40);
  }
}
