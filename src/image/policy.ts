// Which files may be read. Folders are compared by real path, and a file is judged by what was opened, not by its name:
// a link or a rename between the check and the opening cannot lead outside.
import { constants } from 'node:fs';
import { lstat, open, readlink, realpath, stat, type FileHandle } from 'node:fs/promises';
import { dirname, basename, join, parse, relative, isAbsolute, sep } from 'node:path';
import { AfterimageError } from '../errors.js';
import { displayName } from './display-name.js';

export class FilePolicy {
  readonly #folders: readonly string[] | 'everywhere';

  /** @param folders Absolute paths; 'everywhere' only where the person who asks is the person who typed the path. */
  constructor(folders: readonly string[] | 'everywhere') {
    this.#folders = folders;
  }

  get folders(): readonly string[] | 'everywhere' {
    return this.#folders;
  }

  /**
   * Opens a regular file inside the allowed folders. The caller closes it.
   * @throws AfterimageError PATH_NOT_ALLOWED, IMAGE_NOT_FOUND, IMAGE_UNREADABLE.
   */
  async open(path: string): Promise<FileHandle> {
    if (path.includes('\0')) {
      throw new AfterimageError(
        'PATH_NOT_ALLOWED',
        'The path contains a NUL character; give a plain file path.',
      );
    }
    if (/^(\\\\|\/\/[?.]\/)/.test(path)) {
      throw new AfterimageError(
        'PATH_NOT_ALLOWED',
        `${displayName(path)} is a network or device path; copy the image to a local folder.`,
      );
    }
    const roots = await this.#realFolders();
    const { target, missing } = await resolveReal(path);
    this.#requireInside(target, path, roots);
    if (missing)
      throw new AfterimageError(
        'IMAGE_NOT_FOUND',
        `${displayName(path)} does not exist; check the path and try again.`,
      );
    // Opening a device can have effects of its own, so the kind is looked at before and once more after opening.
    requireRegular(await stat(target).catch((cause) => failRead(path, cause)), path);
    const file = await openWithoutFollowing(target, path);
    try {
      requireRegular(await file.stat(), path);
      this.#requireInside(await pathOfOpened(file, target, path), path, roots);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Folders that do not exist allow nothing. */
  async #realFolders(): Promise<string[]> {
    if (this.#folders === 'everywhere') return [];
    const real = await Promise.allSettled(this.#folders.map((folder) => realpath(folder)));
    return real.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  }

  #requireInside(target: string, requested: string, roots: string[]): void {
    if (this.#folders === 'everywhere' || roots.some((root) => contains(root, target))) return;
    // Where a link leads outside is not said.
    const allow = `start the server with --allow ${displayName(dirname(requested))}`;
    throw new AfterimageError(
      'PATH_NOT_ALLOWED',
      this.#folders.length === 0
        ? `${displayName(requested)} may not be read: no folder is allowed; ${allow}.`
        : `${displayName(requested)} is outside the allowed folders: ${this.#folders.join(', ')}. ` +
            `Copy the image into one of them, or ${allow}.`,
    );
  }
}

/** Both are real paths. */
function contains(root: string, path: string): boolean {
  const rest = relative(root, path);
  return rest === '' || !(rest === '..' || rest.startsWith(`..${sep}`) || isAbsolute(rest));
}

/**
 * Real path of the file, or of its nearest existing ancestor with the rest appended: whether something exists outside
 * the allowed folders is nobody's business, so the policy is asked before existence is reported.
 */
async function resolveReal(path: string): Promise<{ target: string; missing: boolean }> {
  try {
    return { target: await realpath(path), missing: false };
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ELOOP' || code === 'ENAMETOOLONG') failRead(path, cause);
    if (path === parse(path).root) failRead(path, cause);
    const parent = await resolveReal(dirname(path));
    return { target: join(parent.target, basename(path)), missing: true };
  }
}

function requireRegular(info: { isFile(): boolean; isDirectory(): boolean }, path: string): void {
  if (info.isFile()) return;
  const what = info.isDirectory() ? 'a folder' : 'a device, pipe or socket';
  throw new AfterimageError('IMAGE_UNREADABLE', `${displayName(path)} is ${what}; name an image file.`);
}

async function openWithoutFollowing(target: string, requested: string): Promise<FileHandle> {
  // NONBLOCK: a pipe that took the file's place must not hang us. Neither flag exists on Windows.
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  return open(target, flags).catch((cause) => failRead(requested, cause));
}

/** Where the opened file really is. Without /proc its path must still lead to the same file. */
async function pathOfOpened(file: FileHandle, target: string, requested: string): Promise<string> {
  if (process.platform === 'linux') return readlink(`/proc/self/fd/${file.fd}`);
  const [opened, now, real] = await Promise.all([file.stat(), lstat(target), realpath(target)]);
  if (opened.dev === now.dev && opened.ino === now.ino) return real;
  throw new AfterimageError(
    'IMAGE_UNREADABLE',
    `${displayName(requested)} was replaced while it was being opened; try again.`,
  );
}

function failRead(path: string, cause: unknown): never {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    throw new AfterimageError(
      'IMAGE_NOT_FOUND',
      `${displayName(path)} does not exist; check the path and try again.`,
      { cause },
    );
  }
  const reason = code === 'EACCES' || code === 'EPERM' ? 'permission denied' : String(code ?? cause);
  throw new AfterimageError(
    'IMAGE_UNREADABLE',
    `${displayName(path)} cannot be read (${reason}); check its permissions.`,
    { cause },
  );
}
