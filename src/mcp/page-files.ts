// The page as it was built (page/build.mjs): files beside the compiled program.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AfterimageError } from '../errors.js';
import { packageRoot } from '../package-root.js';

const FOLDER = join('dist', 'page');

/** @throws AfterimageError IO_FAILED where it was not built */
export async function pageFile(name: string, encoding: 'utf8'): Promise<string> {
  const file = join(packageRoot(), FOLDER, name);
  try {
    return await readFile(file, encoding);
  } catch (cause) {
    throw new AfterimageError('IO_FAILED', `The page "${file}" is not there; make it with npm run build.`, {
      cause,
    });
  }
}
