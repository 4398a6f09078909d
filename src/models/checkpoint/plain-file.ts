// Files of a checkpoint folder, which anyone may have filled: only regular ones of a sensible size are read, and opening
// one never waits.
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { AfterimageError } from '../../errors.js';

/** Tokenizers are the largest text there is. */
const LONGEST_TEXT = 256 * 2 ** 20;

/** The file's text; undefined where there is none. @throws AfterimageError INVALID_CHECKPOINT, IO_FAILED */
export function readText(path: string, longest = LONGEST_TEXT): string | undefined {
  const file = openPlain(path);
  if (file === undefined) return undefined;
  try {
    const { size } = fstatSync(file);
    if (size > longest) throw invalid(path, `has ${size} bytes, more than the ${longest} that are read`);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/** A descriptor of a regular file, to be closed by the caller; undefined where there is no file. @throws as `readText` */
export function openPlain(path: string): number | undefined {
  let file: number;
  try {
    // A pipe without a writer would be waited for.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const message = `Cannot read "${path}"; check that it exists and may be read.`;
    throw new AfterimageError('IO_FAILED', message, { cause });
  }
  if (fstatSync(file).isFile()) return file;
  closeSync(file);
  throw invalid(path, 'is not a file');
}

/**
 * Runs a part of opening a checkpoint. Its authors may have written anything, so what fails in a way that nobody foresaw
 * is the checkpoint's fault.
 * @throws AfterimageError INVALID_CHECKPOINT instead of errors without a code
 */
export function reading<T>(folder: string, part: () => T): T {
  try {
    return part();
  } catch (cause) {
    if (cause instanceof AfterimageError) throw cause;
    const reason = cause instanceof Error ? cause.message.split('\n')[0]! : String(cause);
    throw invalid(folder, `cannot be used (${reason.slice(0, 200)})`, cause);
  }
}

function invalid(path: string, what: string, cause?: unknown): AfterimageError {
  return new AfterimageError('INVALID_CHECKPOINT', `"${path}" ${what}; download the checkpoint again.`, {
    cause,
  });
}
