// Every test that the table of injected faults names (native/metal/rig/README.md) exists.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../..');
const FOLDERS = ['native/test', 'native/metal/rig', 'native/metal/rig/faults', 'native/metal/rig/fake'];

function textOf(file: string): string {
  const folder = [...FOLDERS, 'test/structure'].find((one) => existsSync(join(root, one, file)));
  assert.ok(folder, `${file} is in none of ${FOLDERS.join(', ')}`);
  return readFileSync(join(root, folder, file), 'utf8');
}

test('every mechanism of the Metal backend names tests that exist', () => {
  const table = readFileSync(join(root, 'native/metal/rig/README.md'), 'utf8');
  const rows = table.split('\n').filter((line) => /^\| (?!mechanism)/.test(line));
  assert.ok(rows.length > 20, `${rows.length} rows were read`);
  for (const row of rows)
    for (const place of row.split(' | ').at(-1)!.replace(/ \|$/, '').split('; ')) {
      const [file, names] = place.split(': ') as [string, string];
      for (const name of names.split(', '))
        assert.match(textOf(file), new RegExp(`\\b${name}\\b`), `${file} has no ${name}`);
    }
});
