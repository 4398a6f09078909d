// Repositories of GGUF files: the pair that is downloaded, and what is refused before any of it is.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, test } from 'node:test';
import { pull } from '../../src/pull/pull.js';
import { LoopbackHub } from './loopback-hub.js';
import { scratchFolder } from '../scratch-folder.js';

let hub: LoopbackHub;
beforeEach(async () => {
  hub = await new LoopbackHub().start();
  hub.files.clear();
});
afterEach(() => hub.close());

const holds = (...names: string[]): void => {
  for (const name of names) hub.put(name, Buffer.from(name));
};
const get = (named = 'org/model') =>
  pull(named, { endpoint: hub.endpoint, cache: scratchFolder('pull-gguf'), retryMs: 1 });
const PAIRS = ['m-Q4_K_M.gguf', 'm-Q8_0.gguf', 'm-IQ4_XS.gguf', 'mmproj-m-F32.gguf', 'mmproj-m-f16.gguf'];

test('the usual quantization and the mmproj nearest to what was published', async () => {
  holds(...PAIRS, 'README.md', 'config.json', 'preprocessor_config.json', 'old/m-Q4_K_M.gguf');
  hub.gguf = { architecture: 'qwen2vl' };
  const { folder, files } = await get();
  assert.deepEqual(files, ['preprocessor_config.json', 'mmproj-m-f16.gguf', 'm-Q4_K_M.gguf']);
  assert.deepEqual((await readdir(folder)).sort(), [...files].sort());
});

test('the one that is named, and the only one whatever it is', async () => {
  holds(...PAIRS);
  assert.deepEqual((await get('org/model:q8_0')).files, ['mmproj-m-f16.gguf', 'm-Q8_0.gguf']);
  hub.files.clear();
  holds('m.Q5_1.gguf', 'mmproj.gguf');
  assert.deepEqual((await get()).files, ['mmproj.gguf', 'm.Q5_1.gguf']);
});

test('an open choice says what there is to choose from', async () => {
  holds('m-Q5_K_M.gguf', 'm-Q8_0.gguf', 'm-IQ2_M.gguf', 'mmproj.gguf');
  const message = /several GGUF models; choose one of Q5_K_M, Q8_0: afterimage pull org\/model:Q5_K_M\.$/;
  await assert.rejects(get(), { code: 'INVALID_ARGUMENT', message });
  await assert.rejects(get('org/model:Q3_K_S'), {
    code: 'INVALID_ARGUMENT',
    message: /no .* Q3_K_S; choose one of Q5_K_M/,
  });
  assert.deepEqual(hub.ranges, []);
});

const REFUSED: [string, string, { code: string; message: RegExp }, string[], string?][] = [
  [
    'no mmproj file',
    'org/model',
    { code: 'INVALID_CHECKPOINT', message: /no mmproj file/ },
    ['m-Q4_K_M.gguf'],
  ],
  [
    'a kind that is not read',
    'org/model:IQ4_XS',
    { code: 'MODEL_UNSUPPORTED', message: /IQ4_XS, which is not read; choose one of Q4_K_M/ },
    PAIRS,
  ],
  [
    'several files',
    'org/model',
    { code: 'INVALID_ARGUMENT', message: /models in several files are not read/ },
    ['m-Q4_K_M-00001-of-00002.gguf', 'm-Q4_K_M-00002-of-00002.gguf', 'mmproj.gguf'],
  ],
  [
    'a decoder that is not read',
    'org/model',
    { code: 'MODEL_UNSUPPORTED', message: /is qwen9vl; as GGUF are read qwen2vl, / },
    PAIRS,
    'qwen9vl',
  ],
];
for (const [name, named, error, files, architecture] of REFUSED)
  test(`refused before anything is downloaded: ${name}`, async () => {
    holds(...files);
    if (architecture) hub.gguf = { architecture };
    await assert.rejects(get(named), error);
    assert.deepEqual(hub.ranges, []);
  });

test('a quantization of other checkpoints is no choice; sums are asked for', async () => {
  holds('config.json', 'tokenizer.json', 'model.safetensors');
  await assert.rejects(get('org/model:Q8_0'), {
    code: 'INVALID_ARGUMENT',
    message: /not a repository of GGUF files/,
  });
  hub.files.clear();
  holds(...PAIRS);
  hub.listsHashes = false;
  await assert.rejects(get(), { code: 'URL_FAILED', message: /mmproj-m-f16\.gguf/ });
});
