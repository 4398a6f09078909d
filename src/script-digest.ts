// What an answer that is kept must name, so that it is what would be computed now: the scripts that it came of.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How the names of scripts begin, below this folder. */
const PARTS = {
  /** Pixels, positions and tokens. */
  rows: ['engine/', 'graph/', 'image/', 'models/', 'prompt/', 'reading/'],
  /** Lines of text. */
  lines: ['reading/', 'image/resize.'],
};
type Kind = keyof typeof PARTS;

/** Digests of the sources, set by the build. */
declare const SCRIPTS: Record<Kind, string> | undefined;

const HERE = fileURLToPath(import.meta.url);
const EXTENSION = extname(HERE);

/** Hex. */
export function scriptDigest(kind: Kind): string {
  return typeof SCRIPTS === 'undefined' ? digestOf(kind, dirname(HERE)) : SCRIPTS[kind];
}

/** @param root Folder of the scripts, as sources or one by one compiled. */
export function digestOf(kind: Kind, root: string): string {
  const hash = createHash('sha256');
  for (const file of scriptsIn(root).filter((name) => PARTS[kind].some((part) => name.startsWith(part)))) {
    const text = readFileSync(join(root, file));
    hash.update(`${file} ${text.length}\n`).update(text);
  }
  return hash.digest('hex');
}

/** For the build. */
export function digestsOf(root: string): Record<Kind, string> {
  return { rows: digestOf('rows', root), lines: digestOf('lines', root) };
}

function scriptsIn(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => extname(name) === EXTENSION && !name.endsWith('.d.ts'))
    .sort();
}
