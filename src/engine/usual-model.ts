// The model that is meant where none is named, as `afterimage use` chose it: one line in a file of the user's own, read
// again for every question, so that servers follow without being started again.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { baseFolder } from '../base-folder.js';
import { AfterimageError } from '../errors.js';
import { makeFolder } from '../make-folder.js';

export function usualModelFile(): string {
  return join(baseFolder('XDG_CONFIG_HOME', '.config'), 'afterimage', 'model');
}

/** Undefined where none was chosen. */
export function usualModel(): string | undefined {
  try {
    return readFileSync(usualModelFile(), 'utf8').trim() || undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw unusable(error);
  }
}

/** @param name Absent: none is chosen any more. @throws AfterimageError IO_FAILED */
export function useModel(name: string | undefined): void {
  const file = usualModelFile();
  try {
    if (name === undefined) return rmSync(file, { force: true });
    makeFolder(dirname(file));
    writeFileSync(file, `${name}\n`);
  } catch (error) {
    throw unusable(error);
  }
}

function unusable(cause: unknown): AfterimageError {
  return new AfterimageError(
    'IO_FAILED',
    `${usualModelFile()} cannot be used; make it yours to read and write, or give --model.`,
    { cause },
  );
}
