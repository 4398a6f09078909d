// Files that are kept so that something need not be made again: one folder, one kind, bounded by bytes and, where it
// says so, by age; the least recently used leave first. Only their owner may look into them.
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Pruning looks at every file; once in so many writes is enough. */
const WRITES_BETWEEN_PRUNES = 32;

export interface KeptFile {
  file: string;
  bytes: number;
  /** Seconds since 1970. */
  usedAt: number;
}

export interface KeptOptions {
  /** How the files' names end, with the dot. */
  suffix: string;
  mostBytes: number;
  /** Since the last use; absent: any. */
  mostMs?: number;
}

export class KeptFiles {
  readonly folder: string;
  readonly #options: KeptOptions;
  #writes = 0;

  /** @param folder Made on the first write. */
  constructor(folder: string, options: KeptOptions) {
    this.folder = folder;
    this.#options = options;
  }

  /** Undefined where there is none, or none that can be read. */
  async get(name: string): Promise<Buffer | undefined> {
    const content = await readFile(this.#path(name)).catch(() => undefined);
    if (content) await this.touch(name);
    return content;
  }

  /** Marks it as just used. @returns whether there is one. */
  async touch(name: string): Promise<boolean> {
    const now = new Date();
    // Only the order of leaving depends on it.
    return utimes(this.#path(name), now, now).then(
      () => true,
      () => false,
    );
  }

  /** @returns when it is on disk. A disk that refuses costs only the keeping. */
  async put(name: string, content: string | Uint8Array): Promise<void> {
    await this.#write(name, content).catch(() => {});
    if (this.#writes++ % WRITES_BETWEEN_PRUNES === 0) await this.#prune().catch(() => {});
  }

  /** Most recently used first. */
  async list(): Promise<KeptFile[]> {
    const names = await readdir(this.folder).catch(() => []);
    const kept = await Promise.all(
      names
        .filter((name) => name.endsWith(this.#options.suffix))
        .map(async (file) => {
          const found = await stat(join(this.folder, file)).catch(() => undefined);
          return found?.isFile() ? [{ file, bytes: found.size, usedAt: found.mtimeMs / 1000 }] : [];
        }),
    );
    return kept.flat().sort((a, b) => b.usedAt - a.usedAt);
  }

  /** @returns how many files were removed */
  async clear(): Promise<number> {
    const kept = await this.list();
    for (const { file } of kept) await rm(join(this.folder, file), { force: true });
    return kept.length;
  }

  #path(name: string): string {
    return join(this.folder, name + this.#options.suffix);
  }

  async #write(name: string, content: string | Uint8Array): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const temporary = join(this.folder, `.${name}.${randomBytes(6).toString('hex')}`);
    try {
      await writeFile(temporary, content, { mode: 0o600 });
      await rename(temporary, this.#path(name));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async #prune(): Promise<void> {
    const { mostBytes, mostMs = Infinity } = this.#options;
    const oldest = (Date.now() - mostMs) / 1000;
    let bytes = 0;
    for (const { file, bytes: own, usedAt } of await this.list()) {
      bytes += own;
      if (bytes > mostBytes || usedAt < oldest) await rm(join(this.folder, file), { force: true });
    }
  }
}

/** With a hash in front, so that a damaged file is known as one. */
export function sealed(text: string): string {
  return `${createHash('sha256').update(text).digest('hex')}\n${text}`;
}

/** Undefined for what is absent or damaged. */
export function unsealed(content: Buffer | undefined): string | undefined {
  const whole = content?.toString('utf8') ?? '';
  const end = whole.indexOf('\n');
  const text = whole.slice(end + 1);
  return end >= 0 && createHash('sha256').update(text).digest('hex') === whole.slice(0, end)
    ? text
    : undefined;
}
