// Compiles the tests, and what they test, into build/tests, which looks like the checkout: sources lie beside the scripts
// for tests that read them, other folders are links. A process starts in half of the time that tsx takes.
//   node test/build.mjs
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile, PARTS } from '../src/build.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const OUT = join(ROOT, 'build', 'tests');
const COMPILED = [...PARTS, 'test', 'bench', 'native/metal/rig', 'native/fuzz'];

/** Files are copies, since tests copy folders and write into them. */
function mirror(folder) {
  mkdirSync(join(OUT, folder), { recursive: true });
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const within = COMPILED.some((part) => `${path}/`.startsWith(`${part}/`));
    const above = COMPILED.some((part) => `${part}/`.startsWith(`${path}/`));
    if (entry.isDirectory() && entry.name !== 'node_modules' && (above || within)) mirror(path);
    else if (path === 'dist') continue;
    else if (entry.isDirectory()) symlinkSync(join(ROOT, path), join(OUT, path));
    else copyFileSync(join(ROOT, path), join(OUT, path));
  }
}

rmSync(OUT, { recursive: true, force: true });
mirror('.');
await compile(COMPILED, OUT);
cpSync(join(ROOT, 'dist'), join(OUT, 'dist'), { recursive: true });
