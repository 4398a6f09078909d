// One file of the hub into its part file: continued after every kind of cut, then checked.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AfterimageError } from '../errors.js';
import type { Connection, Response } from './connection.js';
import { sizeOf } from './hub-cache.js';
import type { HubFile } from './hub.js';

export interface Download {
  /** Below the endpoint. */
  path: string;
  file: HubFile;
  part: string;
  signal?: AbortSignal;
  /** Bytes of this file that are there. */
  onBytes(done: number): void;
}

/**
 * Leaves the whole file at `part`.
 * @throws AfterimageError URL_FAILED (the part is kept), INVALID_CHECKPOINT (it is not), IO_FAILED, CANCELLED
 */
export async function download(connection: Connection, wanted: Download): Promise<void> {
  let reached = (await sizeOf(wanted.part)) ?? 0;
  const counted: Download = {
    ...wanted,
    onBytes: (done) => {
      reached = Math.max(reached, done);
      wanted.onBytes(done);
    },
  };
  await connection.persist(
    () => append(connection, counted),
    () => reached,
  );
  await verify(wanted);
}

/** Continues the part from where it ends. */
async function append(connection: Connection, wanted: Download): Promise<void> {
  const { path, file, part } = wanted;
  let have = (await sizeOf(part)) ?? 0;
  if (have > file.size) {
    await rm(part);
    have = 0;
  }
  // An empty file is asked for as well: it has to be made.
  if (have === file.size && have > 0) return wanted.onBytes(have);
  const response = await connection.request(path, have > 0 ? { range: `bytes=${have}-` } : {});
  const from = startOf(response, have);
  if (from === undefined) {
    await response.body?.cancel();
    await rm(part, { force: true });
    throw connection.interrupted(file.name);
  }
  await write(connection, wanted, response, from);
  const reached = (await sizeOf(part)) ?? 0;
  // A proxy or a server that closes early without an error: what came is kept.
  if (reached < file.size) throw connection.interrupted(file.name);
}

/** Where the body begins in the file; undefined where it does not continue what is there. */
function startOf(response: Response, have: number): number | undefined {
  if (response.status === 200) return 0;
  if (response.status !== 206) return undefined;
  const range = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '');
  return range && Number(range[1]) !== have ? undefined : have;
}

async function write(
  connection: Connection,
  wanted: Download,
  response: Response,
  from: number,
): Promise<void> {
  const { file, part, signal, onBytes } = wanted;
  let done = from;
  const source = response.body ? Readable.fromWeb(response.body) : Readable.from([]);
  const count = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      done += chunk.length;
      if (done > file.size) throw wrong(file.name, `more than ${file.size} bytes`);
      onBytes(done);
      yield chunk;
    }
  };
  try {
    await pipeline(source, count, createWriteStream(part, { flags: from > 0 ? 'a' : 'w' }), { signal });
  } catch (cause) {
    if (cause instanceof AfterimageError) {
      await rm(part, { force: true });
      throw cause;
    }
    throw diskError(part, cause) ?? connection.interrupted(file.name, cause);
  }
}

/** Errors of the disk name a call; those of the network do not reach the part file. */
function diskError(part: string, cause: unknown): AfterimageError | undefined {
  const { code = '', syscall, path } = cause as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new AfterimageError(
      'IO_FAILED',
      `The disk is full: "${part}" is kept; make room, then run the command again to continue it.`,
      { cause },
    );
  if (syscall !== 'write' && path !== part) return undefined;
  if (['EPIPE', 'ECONNRESET'].includes(code)) return undefined;
  return new AfterimageError('IO_FAILED', `"${part}" cannot be written (${code}); check its folder.`, {
    cause,
  });
}

/** Against the size and the SHA-256, or git's SHA-1 of small files, which the hub's list names. */
async function verify({ file, part, signal }: Download): Promise<void> {
  const bytes = await sizeOf(part);
  const differs =
    bytes !== file.size ? `${bytes} bytes instead of ${file.size}` : await wrongHash(file, part, signal);
  if (!differs) return;
  await rm(part, { force: true });
  throw wrong(file.name, differs);
}

async function wrongHash(
  { size, sha256, blobId }: HubFile,
  part: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const expected = sha256 ?? blobId;
  if (expected === undefined) return undefined;
  // https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
  const hash: Hash = sha256 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
  try {
    await pipeline(createReadStream(part), hash, { signal });
  } catch (cause) {
    if (!signal?.aborted) throw cause;
    const message = 'The download was cancelled; run the command again to continue it.';
    throw new AfterimageError('CANCELLED', message, { cause });
  }
  return hash.digest('hex') === expected ? undefined : `${sha256 ? 'SHA-256' : 'SHA-1'} differs`;
}

function wrong(name: string, what: string): AfterimageError {
  return new AfterimageError(
    'INVALID_CHECKPOINT',
    `"${name}" did not arrive as the hub describes it (${what}); run the command again.`,
  );
}
