// The bearer token of the HTTP transport: a file only its owner can read, made on first use.
import { randomBytes, timingSafeEqual, createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../make-folder.js';
import { baseFolder } from '../base-folder.js';
import { AfterimageError } from '../errors.js';

const OWNER_ONLY = 0o600;
/** Any permission of group or others. */
const NOT_OWNER = 0o077;
const SHORTEST = 32;

export function defaultTokenFile(environment: NodeJS.ProcessEnv = process.env): string {
  return join(baseFolder('XDG_CONFIG_HOME', '.config', environment), 'afterimage', 'token');
}

/**
 * The tokens of the file, one a line; or a file with a new one is made. Each names a client: what it put in, only it can
 * name.
 * @throws AfterimageError IO_FAILED when the file cannot be used or others may read it.
 */
export async function readTokens(file: string): Promise<string[]> {
  const handle = (await create(file)) ?? (await openExisting(file));
  try {
    await refuseIfShared(handle, file);
    const lines = (await handle.readFile('utf8')).split('\n').map((line) => line.trim());
    const tokens = [...new Set(lines.filter((line) => line !== ''))];
    if (tokens.length === 0 || tokens.some((token) => token.length < SHORTEST)) {
      throw new AfterimageError(
        'IO_FAILED',
        `The token file ${file} holds a token of fewer than ${SHORTEST} characters. Delete it to have a new one made.`,
      );
    }
    return tokens;
  } finally {
    await handle.close();
  }
}

/** The handle of a fresh file, positioned at its start; undefined when there is one already. */
async function create(file: string): Promise<FileHandle | undefined> {
  try {
    makeFolder(dirname(file));
    const handle = await open(file, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, OWNER_ONLY);
    await handle.write(`${randomBytes(32).toString('hex')}\n`, 0);
    return handle;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw new AfterimageError(
      'IO_FAILED',
      `Cannot create the token file ${file}. Make its folder writable, or set XDG_CONFIG_HOME to one that is.`,
      { cause },
    );
  }
}

async function openExisting(file: string): Promise<FileHandle> {
  try {
    // O_NOFOLLOW: a link planted in place of the file must not choose our token. O_NONBLOCK: a FIFO must not hang us.
    return await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    throw new AfterimageError(
      'IO_FAILED',
      `Cannot read the token file ${file}. Delete it to have a new one made.`,
      { cause },
    );
  }
}

async function refuseIfShared(handle: FileHandle, file: string): Promise<void> {
  const info = await handle.stat();
  const { mode } = info;
  if (!info.isFile()) {
    throw new AfterimageError('IO_FAILED', `${file} is not a file; choose one with --token-file FILE.`);
  }
  if (process.platform !== 'win32' && (mode & NOT_OWNER) !== 0) {
    throw new AfterimageError('IO_FAILED', `Others can read the token file ${file}. Run: chmod 600 ${file}`);
  }
}

/** Compares an Authorization header with the token in constant time. */
export function isAuthorized(header: string | undefined, token: string): boolean {
  return timingSafeEqual(sha256(bearerOf(header)), sha256(token));
}

/** What an Authorization header carries; empty where it is none. */
export function bearerOf(header: string | undefined): string {
  return /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '';
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
