// The key of a server elsewhere: from the environment or from a file that its owner alone can read. Never from the command
// line, which every process of the machine can see.
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { AfterimageError } from '../errors.js';

/** Any permission of group or others. */
const NOT_OWNER = 0o077;

/** @returns the first line of the file. @throws AfterimageError IO_FAILED, INVALID_ARGUMENT */
export function engineKey(
  file: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): string | undefined {
  if (file === undefined) return environment['AFTERIMAGE_ENGINE_KEY'] || undefined;
  const key = read(file).split('\n')[0]!.trim();
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new AfterimageError('INVALID_ARGUMENT', `${file} holds no key; write it there as the only line.`);
}

function read(file: string): string {
  const handle = opened(file);
  try {
    const info = fstatSync(handle);
    if (!info.isFile())
      throw new AfterimageError('IO_FAILED', `${file} is not a file; name the one with the key.`);
    if (process.platform !== 'win32' && (info.mode & NOT_OWNER) !== 0)
      throw new AfterimageError('IO_FAILED', `Others can read the key file ${file}. Run: chmod 600 ${file}`);
    return readFileSync(handle, 'utf8');
  } finally {
    closeSync(handle);
  }
}

function opened(file: string): number {
  try {
    // A FIFO must not hang us.
    return openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    throw new AfterimageError('IO_FAILED', `The key file ${file} cannot be read; check --engine-key-file.`, {
      cause,
    });
  }
}
