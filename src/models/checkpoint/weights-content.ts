// The identity of weights is all of their bytes. Reading gigabytes takes seconds, so what was hashed is remembered by
// what the file system says of the file, and files that a running model was made of are watched the same way.
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { AfterimageError } from '../../errors.js';
import { noteFile, recall, remember } from '../../note.js';
import { WorkerPool } from '../../workers/pool.js';
import type * as work from './hash-work.js';

/** A thread of its own: pictures do not wait until a checkpoint has been read. */
const hashFile = new WorkerPool({ maxThreads: 1 }).job<typeof work.hashFile>(
  import.meta.url,
  './hash-work',
  'hashFile',
);

/** A file written this short ago may be written again within one tick of its clock. */
const SETTLED_MS = 2000;

/** What changes when a file is replaced or written to. */
type Stamp = string;

export class WeightFiles {
  readonly #files: readonly string[];

  readonly #stamps: Stamp[];

  /** @throws AfterimageError MODEL_CHANGED when a file has gone. */
  constructor(files: readonly string[]) {
    this.#files = files;

    this.#stamps = files.map(stampOf);
  }

  /** @throws AfterimageError MODEL_CHANGED when a file is not the one it was. */
  check(): void {
    for (const [i, file] of this.#files.entries()) if (stampOf(file) !== this.#stamps[i]) throw changed(file);
  }

  /**
   * Hex SHA-256 over the content of all files.
   * @param memory Folder in which hashes are remembered; made where absent.
   * @throws AfterimageError MODEL_CHANGED when a file is written to meanwhile.
   */
  async digest(memory: string): Promise<string> {
    const all = createHash('sha256');
    for (const [i, file] of this.#files.entries()) {
      const note = noteFile(memory, file);
      all.update(
        recalled(note, this.#stamps[i]!) ?? (await this.#hashed(file, this.#stamps[i]!, memory, note)),
      );
    }
    return all.digest('hex');
  }

  async #hashed(file: string, stamp: Stamp, memory: string, note: string): Promise<string> {
    const begun = Date.now();
    const hash = await hashFile(file);
    if (stampOf(file) !== stamp) throw changed(file);
    const { mtimeMs, ctimeMs } = statSync(file);
    if (begun - Math.max(mtimeMs, ctimeMs) > SETTLED_MS) remember(memory, note, { stamp, hash });
    return hash;
  }
}

/** @throws AfterimageError MODEL_CHANGED when the file has gone. */
export function stampOf(file: string): Stamp {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  if (!found) throw changed(file);
  const { dev, ino, size, mtimeNs, ctimeNs } = found;
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

function recalled(note: string, stamp: Stamp): string | undefined {
  const found = recall(note);
  return found?.stamp === stamp && /^[0-9a-f]{64}$/.test(String(found.hash)) ? String(found.hash) : undefined;
}

function changed(file: string): AfterimageError {
  return new AfterimageError(
    'MODEL_CHANGED',
    `"${file}" is not what it was when this model was loaded; restart, so that it is loaded anew.`,
  );
}
