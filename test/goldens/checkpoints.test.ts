// Every family there is, on a tiny checkpoint of its own kind: everything that its folder records, on the CPU.
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { families, supportedModelTypes } from '../../src/models/registry.js';
import { checkCheckpoint } from './check-checkpoint.js';
import { CHECKPOINTS, checkpointFolders, modelTypeOf } from './checkpoints.js';

const folders = checkpointFolders();

test('every family has a checkpoint under its name, and every checkpoint a family', () => {
  const names = folders.map((folder) => basename(folder));
  const without = families.map(({ modelTypes }) => modelTypes[0]!).filter((name) => !names.includes(name));
  assert.deepEqual(without, [], `no folder in ${CHECKPOINTS}: families/<model_type>.py and make.py make one`);
  const types = supportedModelTypes();
  assert.deepEqual(
    folders.filter((folder) => !types.includes(modelTypeOf(folder))),
    [],
  );
});

test('all of it takes 12 MB at most, since everybody clones it', () => {
  const files = readdirSync(CHECKPOINTS, { recursive: true, withFileTypes: true });
  const sizes = files.map((file) => (file.isFile() ? statSync(join(file.parentPath, file.name)).size : 0));
  const total = sizes.reduce((a, b) => a + b, 0);
  assert.ok(total > 1e6 && total <= 12e6, `${total / 1e6} MB: smaller sizes in families/<model_type>.py`);
});

for (const folder of folders) {
  test(basename(folder), async (t) => {
    const { passed, failures } = await checkCheckpoint(folder);
    t.diagnostic(`${passed} comparisons`);
    assert.deepEqual(failures, []);
    assert.ok(passed > 0);
  });
}
