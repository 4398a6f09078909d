// What was read is kept: whole pictures by their pixels, in memory and on disk; single lines by theirs, in memory. Every
// key begins with the reader's identity, so another reader finds nothing. A damaged file is a miss.
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { labelOf, readLabel, type KeptLabel } from '../engine/kept-label.js';
import { ByteLru } from '../image/byte-lru.js';
import type { ImageInput } from '../image/rgb-image.js';
import type { LineText } from './line-text.js';
import type { Reading } from './reading.js';

const PICTURE_BYTES = 32 * 2 ** 20;
const LINE_BYTES = 32 * 2 ** 20;
const DISK_BYTES = 64 * 2 ** 20;
/** Files of readings end so. */
const SUFFIX = '.reading';
/** Pruning looks at every file; once in so many writes is enough. */
const WRITES_BETWEEN_PRUNES = 32;

export interface KeptReading {
  file: string;
  bytes: number;
  /** Seconds since 1970. */
  usedAt: number;
  /** Absent in files of older versions. */
  label?: KeptLabel;
}

export class ReadingCache {
  readonly #identity: string;
  readonly #reader: string;
  readonly #diskBytes: number;

  readonly #pictures = new ByteLru<Reading>(PICTURE_BYTES);
  readonly #lines = new ByteLru<LineText[]>(LINE_BYTES);
  readonly #folder: string | undefined;
  #writes = 0;

  /**
   * @param reader What it is called, for listings.
   * @param folder Made on the first write; absent: memory only.
   */
  constructor(identity: string, reader: string, folder?: string, diskBytes = DISK_BYTES) {
    this.#identity = identity;
    this.#reader = reader;
    this.#diskBytes = diskBytes;
    this.#folder = folder;
  }

  async picture(pixelHash: string): Promise<Reading | undefined> {
    const key = this.#key(pixelHash);
    const known = this.#pictures.get(key);
    if (known || this.#folder === undefined) return known;
    const path = join(this.#folder, key + SUFFIX);
    const [text] = unsealed(await readFile(path, 'utf8').catch(() => undefined)) ?? [];
    if (text === undefined) return undefined;
    const now = new Date();
    // Only the order of leaving depends on it.
    await utimes(path, now, now).catch(() => {});
    const reading = JSON.parse(text) as Reading;
    this.#pictures.set(key, reading, text.length);
    return reading;
  }

  /** Kept in memory when this returns; on disk when its promise settles. A disk that refuses costs only the keeping. */
  async keepPicture(image: ImageInput, reading: Reading): Promise<void> {
    const key = this.#key(image.pixelHash);
    const text = JSON.stringify(reading);
    this.#pictures.set(key, reading, text.length);
    if (this.#folder === undefined) return;
    await write(this.#folder, key + SUFFIX, sealed(text, labelOf(this.#reader, image))).catch(() => {});
    if (this.#writes++ % WRITES_BETWEEN_PRUNES === 0)
      await prune(this.#folder, this.#diskBytes).catch(() => {});
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

/** A line for the seal of all that follows, one for the reading, one for what its picture is called. */
function sealed(...lines: string[]): string {
  const content = lines.join('\n');
  return `${createHash('sha256').update(content).digest('hex')}\n${content}`;
}

/** [reading, label]; files of older versions have no label. */
function unsealed(file: string | undefined): string[] | undefined {
  const [, seal, content] = /^([0-9a-f]{64})\n(.*)$/s.exec(file ?? '') ?? [];
  if (content === undefined || createHash('sha256').update(content).digest('hex') !== seal) return undefined;
  return content.split('\n');
}

async function write(folder: string, name: string, content: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = join(folder, `.${name}.${randomBytes(6).toString('hex')}`);
  try {
    await writeFile(temporary, content, { mode: 0o600 });
    await rename(temporary, join(folder, name));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Most recently used first. @param labels Whether each file is read for what its picture is called. */
export async function listReadings(folder: string, labels = false): Promise<KeptReading[]> {
  const names = await readdir(folder).catch(() => []);
  const kept = await Promise.all(
    names
      .filter((name) => name.endsWith(SUFFIX))
      .map(async (file) => {
        const found = await stat(join(folder, file)).catch(() => undefined);
        if (!found?.isFile()) return [];
        const content = labels ? await readFile(join(folder, file), 'utf8').catch(() => '') : '';
        const label = readLabel(unsealed(content)?.[1]);
        return [{ file, bytes: found.size, usedAt: found.mtimeMs / 1000, ...(label && { label }) }];
      }),
  );
  return kept.flat().sort((a, b) => b.usedAt - a.usedAt);
}

/** @returns how many files were removed */
export async function clearReadings(folder: string): Promise<number> {
  const kept = await listReadings(folder);
  for (const { file } of kept) await rm(join(folder, file), { force: true });
  return kept.length;
}

async function prune(folder: string, most: number): Promise<void> {
  let bytes = 0;
  for (const { file, bytes: own } of await listReadings(folder)) {
    bytes += own;
    if (bytes > most) await rm(join(folder, file), { force: true });
  }
}
