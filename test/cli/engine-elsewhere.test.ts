// --engine on the command line: where its key comes from, and what cannot be chosen beside it.
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { engineKey } from '../../src/cli/engine-key.js';
import { openEngine } from '../../src/cli/open-engine.js';
import { Options } from '../../src/cli/options.js';
import { scratchFolder } from '../scratch-folder.js';

const file = join(scratchFolder('key'), 'key');

test('the key comes from a file of its owner alone, or from the environment', () => {
  writeFileSync(file, 'sesame\n', { mode: 0o600 });
  assert.equal(engineKey(file, {}), 'sesame');
  assert.equal(engineKey(undefined, { AFTERIMAGE_ENGINE_KEY: 'other' }), 'other');
  assert.equal(engineKey(undefined, {}), undefined);
  chmodSync(file, 0o644);
  assert.throws(() => engineKey(file, {}), { code: 'IO_FAILED', message: /chmod 600/ });
  assert.throws(() => engineKey(`${file}-gone`, {}), { code: 'IO_FAILED' });
  chmodSync(file, 0o600);
  writeFileSync(file, '\n');
  assert.throws(() => engineKey(file, {}), { code: 'INVALID_ARGUMENT' });
});

test('what the server decides cannot be chosen, and what is its goes with --engine', async () => {
  const refused = (...args: string[]) =>
    assert.rejects(openEngine(new Options(args)), { code: 'INVALID_ARGUMENT' });
  await refused('--engine', 'http://127.0.0.1:1', '--model', 'x');
  await refused('--engine', 'http://127.0.0.1:1', '--remote');
  await refused('--engine', 'nowhere');
  await refused('--engine-model', 'x');
  await assert.doesNotReject(
    openEngine(new Options(['--engine', 'http://127.0.0.1:1', '--max-pixels', '9999'])),
  );
});
