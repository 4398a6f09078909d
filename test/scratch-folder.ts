// Folders of a test's own, which go with its process.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];
process.once('exit', () => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true, maxRetries: 2 });
});

/** @returns the path of an empty folder in the system's place for such. */
export function scratchFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `afterimage-${name}-`));
  made.push(folder);
  return folder;
}
