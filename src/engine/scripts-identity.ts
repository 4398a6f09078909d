// What a key must name beside weights and kernels, so that an answer kept from before is what would be computed now:
// the scripts that make pixels, positions and tokens, the JavaScript engine whose Math they use, and the C library's.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { scriptDigest } from '../script-digest.js';

const MAPPED = '/proc/self/maps';

let known: string | undefined;

/** Hex. Computed once; a program that is edited while it runs goes on as what it was. */
export function scriptsIdentity(): string {
  return (known ??= createHash('sha256')
    .update(`${process.versions.v8} ${mathLibrary()}\n${scriptDigest('rows')}`)
    .digest('hex'));
}

/** The content of the library that holds exp and cos where it is a file; elsewhere it comes with the system. */
function mathLibrary(): string {
  if (!existsSync(MAPPED)) return `${process.platform} ${release()}`;
  const file = /\/\S*\/(?:libm|ld-musl)[-.]\S*/.exec(readFileSync(MAPPED, 'utf8'))?.[0];
  if (file === undefined || !existsSync(file)) return `${process.platform} ${release()}`;
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
