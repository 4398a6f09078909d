// bench/results.md: one section per script, replaced between its markers.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const RESULTS = fileURLToPath(new URL('results.md', import.meta.url));

export function writeSection(name: string, text: string): void {
  const [begin, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const before = readFileSync(RESULTS, 'utf8');
  if (!before.includes(begin)) throw new Error(`Expected the marker ${begin} in bench/results.md.`);
  writeFileSync(
    RESULTS,
    before.replace(new RegExp(`${begin}[\\s\\S]*${end}`), () => `${begin}\n\n${text}\n\n${end}`),
  );
}
