// What a key must name beside weights and kernels, so that an answer kept from before is what would be computed now:
// the scripts that make pixels, positions and tokens, the JavaScript engine whose Math they use, and the C library's.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folders beside this one from which an image's rows follow, and this one. */
const FOLDERS = ['engine', 'graph', 'image', 'models', 'prompt', 'reading'];
const MAPPED = '/proc/self/maps';

let known: string | undefined;

/** Hex. Computed once; a program that is edited while it runs goes on as what it was. */
export function scriptsIdentity(): string {
  return (known ??= identityOf(join(dirname(fileURLToPath(import.meta.url)), '..')));
}

/** @param root Folder that holds the folders of scripts, as sources or compiled. */
export function identityOf(root: string): string {
  const hash = createHash('sha256').update(`${process.versions.v8} ${mathLibrary()}\n`);
  for (const folder of FOLDERS) {
    for (const file of scriptsIn(join(root, folder))) {
      const text = readFileSync(file);
      hash.update(`${file.slice(root.length)} ${text.length}\n`).update(text);
    }
  }
  return hash.digest('hex');
}

function scriptsIn(folder: string): string[] {
  const extension = extname(import.meta.url);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => extname(name) === extension && !name.endsWith('.d.ts'))
    .sort()
    .map((name) => join(folder, name));
}

/** The content of the library that holds exp and cos where it is a file; elsewhere it comes with the system. */
function mathLibrary(): string {
  if (!existsSync(MAPPED)) return `${process.platform} ${release()}`;
  const file = /\/\S*\/(?:libm|ld-musl)[-.]\S*/.exec(readFileSync(MAPPED, 'utf8'))?.[0];
  if (file === undefined || !existsSync(file)) return `${process.platform} ${release()}`;
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
