// Where a resident engine listens: a socket in a folder of its owner's, or on Windows a named pipe. Whoever can connect
// may use the engine, so both sides look at a socket's permissions first. A pipe takes requests from its owner only, by
// Windows' default for pipes; so that nobody else makes it first, its name is a secret in the owner's folder.
import { randomBytes } from 'node:crypto';
import { lstatSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { baseFolder } from '../../base-folder.js';
import { AfterimageError } from '../../errors.js';
import { makeFolder } from '../../make-folder.js';

/** Any permission of group or others. */
const NOT_OWNER = 0o077;
/** What `sockaddr_un` holds on macOS, the shortest; the last byte is 0. */
const LONGEST = 103;
/** With the prefix, Windows allows 256. */
const LONGEST_PIPE = 247;

const PIPES = '\\\\.\\pipe\\';

/**
 * The same for every program of a user, however it was started.
 * @throws AfterimageError IO_FAILED where Windows' secret name has no place to be
 */
export function defaultSocket(
  environment: NodeJS.ProcessEnv = process.env,
  platform = process.platform,
): string {
  const folder = join(baseFolder('XDG_CACHE_HOME', '.cache', environment), 'afterimage');
  return platform === 'win32' ? secretName(folder) : join(folder, 'engine.sock');
}

/** Made once: whoever comes second takes the first one's. */
function secretName(folder: string): string {
  const file = join(folder, 'pipe-name');
  try {
    makeFolder(folder);
    try {
      writeFileSync(file, `afterimage-${randomBytes(16).toString('hex')}`, { flag: 'wx', mode: 0o600 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw failed(`The name of the engine's pipe cannot be kept in ${file}`, cause);
  }
}

/** @throws AfterimageError INVALID_ARGUMENT for a path no socket can have. */
export function socketPath(file: string, platform = process.platform): string {
  if (platform === 'win32') return pipePath(file);
  const path = resolve(file);
  if (Buffer.byteLength(path) <= LONGEST) return path;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `The socket's path "${path}" is longer than ${LONGEST} bytes; choose a shorter one with --socket FILE.`,
  );
}

/** Pipes have names, not places: what is given as a path becomes the name of one. */
function pipePath(file: string): string {
  const name = file.startsWith(PIPES) ? file.slice(PIPES.length) : file.replace(/[\\/:]+/g, '-');
  if (name !== '' && name.length <= LONGEST_PIPE) return PIPES + name;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `The pipe's name "${name}" has not 1 to ${LONGEST_PIPE} characters; choose another with --socket NAME.`,
  );
}

/**
 * Makes the way free for a new socket: its folder, and a socket that a killed engine left.
 * @throws AfterimageError IO_FAILED when an engine listens there, when it is another kind of file, or when others may
 * write in the folder.
 */
export async function prepareSocket(path: string): Promise<void> {
  // A pipe goes with its engine, so nothing can be left over; a second one of the name cannot be made.
  if (path.startsWith(PIPES)) return;
  const folder = dirname(path);
  try {
    makeFolder(folder);
  } catch (cause) {
    throw failed(`The folder of the socket ${path} cannot be made`, cause);
  }
  const { uid, mode } = statSync(folder);
  if (uid !== process.getuid!() || (mode & 0o022) !== 0) {
    throw failed(`Others may write in ${folder}, the socket's folder`);
  }
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw failed(`${path} is a file already`);
  const alive = await answers(path);
  // Another engine that starts now may have replaced what was found.
  if (lstatSync(path, { throwIfNoEntry: false })?.ino !== found.ino) return prepareSocket(path);
  if (alive) {
    throw new AfterimageError(
      'IO_FAILED',
      `An engine listens on ${path} already; use it with --remote, or stop it first.`,
    );
  }
  rmSync(path, { force: true });
}

/** @throws AfterimageError ENGINE_UNREACHABLE when there is no socket, or one that its owner does not keep to himself. */
export function checkSocket(path: string): void {
  if (path.startsWith(PIPES)) return;
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isSocket()) throw unreachable(path);
  if (found.uid !== process.getuid!() || (found.mode & NOT_OWNER) !== 0) {
    throw new AfterimageError(
      'ENGINE_UNREACHABLE',
      `The socket ${path} is not yours alone, so no image is sent there; start your own with \`afterimage serve --socket FILE\`.`,
    );
  }
}

export function unreachable(path: string, cause?: unknown): AfterimageError {
  return new AfterimageError(
    'ENGINE_UNREACHABLE',
    `No engine answers on ${path}; start it with \`afterimage serve\`, or leave out --remote.`,
    { cause },
  );
}

function answers(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = createConnection(path);
    socket.once('connect', () => done(true)).once('error', () => done(false));
    socket.once('connect', () => socket.destroy());
  });
}

function failed(what: string, cause?: unknown): AfterimageError {
  return new AfterimageError('IO_FAILED', `${what}; choose another place with --socket FILE.`, { cause });
}
