// What tests start as processes of their own. The command line is the compiled one, as it is installed, or the one that
// $AFTERIMAGE_PROGRAM names, which test/cli/install has installed out of the packages.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(import.meta.dirname, '..');
const MAIN = join(ROOT, 'dist', 'src', 'main.js');

/** Path of the compiled program. @throws Error where a source is newer. */
export function built(): string {
  const installed = process.env['AFTERIMAGE_PROGRAM'];
  if (installed) return installed;
  const since = existsSync(MAIN) ? statSync(MAIN).mtimeMs : 0;
  for (const folder of ['src', 'tools', 'prompts'])
    for (const { name, parentPath } of readdirSync(join(ROOT, folder), {
      recursive: true,
      withFileTypes: true,
    }))
      if (/\.(ts|json)$/.test(name) && statSync(join(parentPath, name)).mtimeMs > since)
        throw new Error(`${join(parentPath, name)} is newer than dist: npm run build`);
  return MAIN;
}

/** What Node.js is given to run a script of these tests: compiled if the caller is, else under tsx. */
export function script(caller: string, path: string): string[] {
  return [...loader(caller), fileURLToPath(scriptUrl(caller, path))];
}

/** The same to run a text, which imports scripts as the caller would: `from '../../src/version.ts'`. */
export function program(caller: string, text: string): string[] {
  const imports = text.replaceAll(
    / from '(\.[^']+)'/g,
    (_, path: string) => ` from '${scriptUrl(caller, path).href}'`,
  );
  return [...loader(caller), '--input-type=module', '-e', imports];
}

const isCompiled = (caller: string): boolean => caller.endsWith('.js');

const loader = (caller: string): string[] =>
  isCompiled(caller) ? [] : ['--import', import.meta.resolve('tsx')];

const scriptUrl = (caller: string, path: string): URL =>
  new URL(isCompiled(caller) ? path.replace(/\.ts$/, '.js') : path, caller);
