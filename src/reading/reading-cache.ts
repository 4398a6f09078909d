// What was read is kept: whole pictures by their pixels, in memory and on disk; single lines by theirs, in memory. Every
// key begins with the reader's identity, so another reader finds nothing. A damaged file is a miss.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { labelOf, readLabel, type KeptLabel } from '../engine/kept-label.js';
import { ByteLru } from '../image/byte-lru.js';
import type { ImageInput } from '../image/rgb-image.js';
import { KeptFiles, sealed, unsealed, type KeptFile } from '../kept-files.js';
import type { LineText } from './line-text.js';
import type { Reading } from './reading.js';

const PICTURE_BYTES = 32 * 2 ** 20;
const LINE_BYTES = 32 * 2 ** 20;
const DISK_BYTES = 64 * 2 ** 20;

export class ReadingCache {
  readonly #identity: string;
  readonly #reader: string;
  readonly #disk: KeptFiles | undefined;

  readonly #pictures = new ByteLru<Reading>(PICTURE_BYTES);
  readonly #lines = new ByteLru<LineText[]>(LINE_BYTES);

  /**
   * @param reader What it is called, for listings.
   * @param folder Made on the first write; absent: memory only.
   */
  constructor(identity: string, reader: string, folder?: string, diskBytes?: number) {
    this.#identity = identity;
    this.#reader = reader;
    this.#disk = folder === undefined ? undefined : keptReadings(folder, diskBytes);
  }

  async picture(pixelHash: string): Promise<Reading | undefined> {
    const key = this.#key(pixelHash);
    const known = this.#pictures.get(key);
    if (known) return known;
    const text = unsealed(await this.#disk?.get(key))?.split('\n')[0];
    if (text === undefined) return undefined;
    const reading = JSON.parse(text) as Reading;
    this.#pictures.set(key, reading, text.length);
    return reading;
  }

  /** Kept in memory when this returns; on disk when its promise settles. A disk that refuses costs only the keeping. */
  async keepPicture(image: ImageInput, reading: Reading): Promise<void> {
    const key = this.#key(image.pixelHash);
    const text = JSON.stringify(reading);
    this.#pictures.set(key, reading, text.length);
    // A line for the reading, one for what its picture is called.
    await this.#disk?.put(key, sealed(`${text}\n${labelOf(this.#reader, image)}`));
  }

  line(hash: string): LineText[] | undefined {
    return this.#lines.get(hash);
  }

  /** The last `most` that were used, by hash, as they are now: whoever holds this has them, whatever leaves the cache. */
  lastLines(most: number): ReadonlyMap<string, LineText[]> {
    const older = this.#lines.size - most;
    const last = new Map<string, LineText[]>();
    let at = 0;
    for (const [hash, pieces] of this.#lines.entries()) if (at++ >= older) last.set(hash, pieces);
    return last;
  }

  keepLine(hash: string, pieces: LineText[]): void {
    const bytes = pieces.reduce((sum, { characters }) => sum + 100 + 40 * characters.length, 100);
    this.#lines.set(hash, pieces, bytes);
  }

  #key(pixelHash: string): string {
    return createHash('sha256').update(`${this.#identity}\n${pixelHash}`).digest('hex').slice(0, 40);
  }
}

/** Files of readings. */
export function keptReadings(folder: string, mostBytes = DISK_BYTES): KeptFiles {
  return new KeptFiles(folder, { suffix: '.reading', mostBytes });
}

/** What the pictures of readings are called, in the order of `files`; undefined in files of older versions. */
export function labelsOf(kept: KeptFiles, files: readonly KeptFile[]): Promise<(KeptLabel | undefined)[]> {
  return Promise.all(
    files.map(async ({ file }) => {
      const content = await readFile(join(kept.folder, file)).catch(() => undefined);
      return readLabel(unsealed(content)?.split('\n')[1]);
    }),
  );
}
