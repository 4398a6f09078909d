// Writes one model into Hugging Face's cache, so that transformers and mlx-vlm find it and nothing is kept twice:
// blobs/<etag>, snapshots/<commit>/<file> → ../../blobs/<etag>, refs/<revision>.
// https://huggingface.co/docs/huggingface_hub/guides/manage-cache
import { copyFile, mkdir, readFile, rename, rm, stat, statfs, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { hubHome } from '../engine/model-places.js';
import { AfterimageError } from '../errors.js';

const NO_SYMLINKS = ['EPERM', 'EACCES', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'UNKNOWN'];

export class HubCache {
  readonly home: string;
  readonly #locks: string;

  /** @param root The cache itself. @param name `org/name` */
  constructor(root: string, name: string) {
    this.home = hubHome(root, name);
    this.#locks = join(root, '.locks', basename(this.home));
  }

  snapshot(commit: string): string {
    return join(this.home, 'snapshots', commit);
  }

  blob(etag: string): string {
    return join(this.home, 'blobs', etag);
  }

  part(etag: string): string {
    return `${this.blob(etag)}.incomplete`;
  }

  async make(commit: string): Promise<void> {
    await mkdir(join(this.home, 'blobs'), { recursive: true });
    await mkdir(this.snapshot(commit), { recursive: true });
  }

  /** Whether the file stands in the snapshot, whole. */
  async has(commit: string, name: string, size: number): Promise<boolean> {
    return (await sizeOf(join(this.snapshot(commit), name))) === size;
  }

  /** Puts a blob into a snapshot: a relative link, or where there can be none the file itself. */
  async link(commit: string, name: string, etag: string, isNew: boolean): Promise<void> {
    const pointer = join(this.snapshot(commit), name);
    const blob = this.blob(etag);
    await mkdir(dirname(pointer), { recursive: true });
    await rm(pointer, { force: true });
    try {
      await symlink(relative(dirname(pointer), blob), pointer);
    } catch (error) {
      if (!NO_SYMLINKS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      // As Hugging Face does: a new blob belongs to this snapshot alone, an older one perhaps to others.
      await (isNew ? rename(blob, pointer) : copyFile(blob, pointer));
    }
  }

  async setRef(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    const file = join(this.home, 'refs', revision);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, commit);
  }

  /** @throws AfterimageError IO_FAILED where the disk has less room than `bytes`. */
  async requireRoom(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.home);
    if (bavail * bsize >= bytes) return;
    throw new AfterimageError(
      'IO_FAILED',
      `The disk of ${this.home} is full: ${gigabytes(bytes)} are still to come and ${gigabytes(bavail * bsize)} are free; make room or choose another folder with HF_HUB_CACHE, then run the command again.`,
    );
  }

  /**
   * Two downloads never write into one part file. A lock of a process that is gone is taken over.
   * @returns What gives the lock back.
   * @throws AfterimageError IO_FAILED where another process of this or another machine downloads the same model.
   */
  async lock(): Promise<() => Promise<void>> {
    await mkdir(this.#locks, { recursive: true });
    const file = join(this.#locks, 'afterimage-pull.lock');
    const mine = `${process.pid} ${hostname()}`;
    for (let again = true; ; again = false) {
      try {
        await writeFile(file, mine, { flag: 'wx' });
        return () => rm(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        const [pid = '', host = ''] = (await readFile(file, 'utf8').catch(() => '')).split(' ');
        if (!again || !isGone(Number(pid), host))
          throw new AfterimageError(
            'IO_FAILED',
            `Another \`afterimage pull\` (process ${pid || '?'} on ${host || '?'}) downloads this model; wait for it, or if it no longer runs remove ${file}.`,
          );
        await rm(file, { force: true });
      }
    }
  }
}

function isGone(pid: number, host: string): boolean {
  if (host !== hostname() || !Number.isSafeInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Undefined where there is no such file; links are followed. */
export async function sizeOf(file: string): Promise<number | undefined> {
  return (await stat(file).catch(() => undefined))?.size;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(bytes < 1e8 ? 3 : 1)} GB`;
}
