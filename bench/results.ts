// bench/results.md: one section per script, replaced between its markers.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const RESULTS = fileURLToPath(new URL('results.md', import.meta.url));

/** Throws where bench/results.md has no such section, before it is worth measuring. */
export function expectSection(name: string): void {
  if (!readFileSync(RESULTS, 'utf8').includes(`<!-- bench:${name} -->`))
    throw new Error(`Expected the marker <!-- bench:${name} --> in bench/results.md.`);
}

export function writeSection(name: string, text: string): void {
  expectSection(name);
  const [begin, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const before = readFileSync(RESULTS, 'utf8');
  writeFileSync(
    RESULTS,
    before.replace(new RegExp(`${begin}[\\s\\S]*${end}`), () => `${begin}\n\n${text}\n\n${end}`),
  );
}
