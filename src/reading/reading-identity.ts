// What readings depend on besides the networks and the pixels: the scripts that make lines of them.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SCRIPT = /\.[jt]s$/;
let identity: string | undefined;

/** Digest of all scripts of this folder, and of the one that scales pixels. */
export function readingIdentity(): string {
  if (identity !== undefined) return identity;
  const folder = new URL('./', import.meta.url);
  const extension = SCRIPT.exec(import.meta.url)![0];
  const hash = createHash('sha256');
  for (const name of readdirSync(fileURLToPath(folder)).sort())
    if (name.endsWith(extension)) hash.update(`${name}\n`).update(readFileSync(new URL(name, folder)));
  hash.update(readFileSync(new URL(`../image/resize${extension}`, import.meta.url)));
  return (identity = hash.digest('hex').slice(0, 32));
}
