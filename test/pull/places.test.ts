import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { installedRows, modelRows, modelsTable, RECOMMENDED } from '../../src/cli/models.js';
import { progressLine } from '../../src/cli/pull.js';
import { findModel, modelName } from '../../src/engine/model-folder.js';
import { families } from '../../src/models/registry.js';
import { pull } from '../../src/pull/pull.js';
import { removeModel } from '../../src/pull/remove.js';
import { LoopbackHub } from './loopback-hub.js';
import { scratchFolder } from '../scratch-folder.js';

const VARIABLES = [
  'HOME',
  'AFTERIMAGE_MODELS',
  'XDG_DATA_HOME',
  'XDG_CACHE_HOME',
  'HF_HOME',
  'HF_HUB_CACHE',
  'HUGGINGFACE_HUB_CACHE',
];
const saved = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));
let home: string;

beforeEach(async () => {
  for (const name of VARIABLES) delete process.env[name];
  home = process.env['HOME'] = scratchFolder('places');
});
after(() => {
  for (const [name, value] of Object.entries(saved))
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
});

const WHOLE = {
  'config.json': '{"model_type":"qwen2_vl"}',
  'tokenizer.json': '{}',
  'model.safetensors.index.json':
    '{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}',
  'model-00001-of-00002.safetensors': '12345',
  'model-00002-of-00002.safetensors': '123',
};
const without = (...names: string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(WHOLE).filter(([name]) => !names.includes(name)));

async function lay(folder: string, files: Record<string, string> = WHOLE): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** As huggingface_hub does: blobs, a snapshot of relative links, a ref. */
async function layHub(
  root: string,
  commit = 'c'.repeat(40),
  ref: string | null = 'main',
  files = WHOLE as Record<string, string>,
): Promise<string> {
  const model = join(root, 'models--org--name');
  const snapshot = join(model, 'snapshots', commit);
  await mkdir(snapshot, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    const blob = join(model, 'blobs', `${commit.slice(0, 4)}-${name}`);
    await mkdir(dirname(blob), { recursive: true });
    await writeFile(blob, text);
    await symlink(`../../blobs/${commit.slice(0, 4)}-${name}`, join(snapshot, name));
  }
  await mkdir(join(model, 'refs'), { recursive: true });
  if (ref) await writeFile(join(model, 'refs', ref), commit);
  return snapshot;
}

const ours = (): string => join(home, '.local/share/afterimage/models/org/name');

describe('a name is looked up', () => {
  test('in our folder, the cache, then LM Studio’s folders', async () => {
    const places = [
      await lay(ours()),
      await layHub(join(home, '.cache/huggingface/hub')),
      await lay(join(home, '.lmstudio/models/org/name')),
      await lay(join(home, '.cache/lm-studio/models/org/name')),
    ];
    for (const folder of places) {
      assert.equal(findModel('org/name'), folder);
      assert.equal(modelName(folder), 'org/name');
      await rm(folder, { recursive: true });
    }
    assert.throws(() => findModel('org/name'), {
      code: 'MODEL_NOT_FOUND',
      message: /none of .*afterimage pull/,
    });
  });

  test('where the environment has put the cache', async () => {
    for (const [variable, below] of [
      ['HF_HUB_CACHE', ''],
      ['HF_HOME', 'hub'],
      ['XDG_CACHE_HOME', 'huggingface/hub'],
    ] as const) {
      const base = join(home, variable);
      const folder = await layHub(join(base, below));
      process.env[variable] = base;
      assert.equal(findModel('org/name'), folder);
      delete process.env[variable];
    }
  });

  test('where a client’s settings name it as a shell would', async () => {
    process.env['AFTERIMAGE_TEST_BASE'] = home;
    for (const named of [
      '~/elsewhere',
      '$AFTERIMAGE_TEST_BASE/elsewhere',
      '${AFTERIMAGE_TEST_BASE}/elsewhere',
    ]) {
      process.env['HF_HOME'] = named;
      const folder = join(home, 'elsewhere/hub/models--org--name/snapshots', 'c'.repeat(40));
      if (!existsSync(folder)) await layHub(join(home, 'elsewhere/hub'));
      assert.equal(findModel('org/name'), folder);
    }
    delete process.env['AFTERIMAGE_TEST_BASE'];
  });

  test('where LM Studio says that its home is, and where its settings put models', async () => {
    const moved = join(home, 'studio');
    const settled = await lay(join(home, 'big disk/org/name'));
    const folder = await lay(join(moved, 'models/org/name'));
    assert.throws(() => findModel('org/name'), { code: 'MODEL_NOT_FOUND' });
    await writeFile(join(home, '.lmstudio-home-pointer'), `${moved}\n`);
    assert.equal(findModel('org/name'), folder);
    for (const torn of ['{', '{"downloadsFolder":7}', '{"downloadsFolder":"models"}']) {
      await writeFile(join(moved, 'settings.json'), torn);
      assert.equal(findModel('org/name'), folder);
    }
    await writeFile(
      join(moved, 'settings.json'),
      JSON.stringify({ downloadsFolder: join(home, 'big disk') }),
    );
    assert.equal(findModel('org/name'), settled);
    assert.equal(modelName(settled), 'org/name');
  });

  test('by refs/main first, else the newest that is whole', async () => {
    const root = join(home, '.cache/huggingface/hub');
    const main = await layHub(root, 'a'.repeat(40));
    const newer = await layHub(root, 'b'.repeat(40), null);
    assert.equal(findModel('org/name'), main);
    await rm(join(main, 'tokenizer.json'));
    assert.equal(findModel('org/name'), newer);
  });
});

describe('a copy that is not whole hides none that is', () => {
  const broken: [string, Record<string, string>][] = [
    ['no config', without('config.json')],
    ['no tokenizer', without('tokenizer.json')],
    [
      'a tokenizer that is not read',
      { ...without('tokenizer.json'), 'tokenizer.model': 't', 'vocab.json': '{}' },
    ],
    ['a shard missing', without('model-00002-of-00002.safetensors')],
    [
      'a shard and the index missing',
      without('model-00002-of-00002.safetensors', 'model.safetensors.index.json'),
    ],
    ['no weights', without('model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors')],
    ['a part file', { ...WHOLE, 'preprocessor_config.json.part': '{' }],
    ['an incomplete file', { ...WHOLE, 'x.incomplete': '{' }],
  ];
  for (const [what, files] of broken)
    test(what, async () => {
      await lay(ours(), files);
      assert.throws(() => findModel('org/name'), { code: 'MODEL_NOT_FOUND', message: /only partly there/ });
      const whole = await layHub(join(home, '.cache/huggingface/hub'));
      assert.equal(findModel('org/name'), whole);
    });

  test('a link whose blob is gone', async () => {
    const snapshot = await layHub(join(home, '.cache/huggingface/hub'));
    await rm(join(snapshot, '../../blobs/cccc-model-00001-of-00002.safetensors'));
    const whole = await lay(join(home, '.lmstudio/models/org/name'));
    assert.equal(findModel('org/name'), whole);
  });

  test('one file of weights without an index, and another form of tokenizer, are whole', async () => {
    const { 'config.json': config } = WHOLE;
    const folder = await lay(ours(), {
      'config.json': config,
      'tiktoken.model': 't',
      'model.safetensors': 'w',
    });
    assert.equal(findModel('org/name'), folder);
  });
});

describe('afterimage models', () => {
  test('lists what is installed, with size and place', async () => {
    const folder = await layHub(join(home, '.cache/huggingface/hub'));
    await lay(join(home, '.lmstudio/models/other/thing'), without('tokenizer.json'));
    await lay(join(home, '.lmstudio/models/other/text-only'), { 'config.json': '{"model_type":"llama"}' });
    await lay(join(home, '.lmstudio/models/other/torn'), { 'config.json': '{' });
    const rows = installedRows().map(({ name, place, bytes, complete }) => [name, place, bytes, complete]);
    assert.deepEqual(rows, [
      ['org/name', 'Hugging Face', 8, true],
      ['other/thing', 'LM Studio', 8, false],
    ]);
    assert.equal(installedRows()[0]!.folder, folder);
  });

  test('what is recommended is listed, and leaves a machine half of its memory', () => {
    for (const { memoryGb, name } of RECOMMENDED) {
      const row = modelRows().find((candidate) => candidate.name === name);
      assert.ok(row, name);
      const gib = name.endsWith('mxfp8') ? row.gib16 / 2 : row.gib4;
      assert.ok(gib < memoryGb / 2 + 1, name);
      assert.match(modelsTable(), new RegExp(`${memoryGb} GB  ${name}`));
    }
    assert.ok(modelRows().every(({ bestAt }) => bestAt.length > 0));
  });

  test('counts the tower in 16 bits', () => {
    for (const { checkpoints } of families)
      for (const { name, parameters, towerParameters } of checkpoints) {
        const row = modelRows().find((candidate) => candidate.name === name)!;
        const bits = (row.gib4 * 2 ** 30 * 8 - towerParameters * 16) / (parameters - towerParameters);
        const towerless = name === 'google/gemma-4-12B-it';
        assert.ok((towerless || towerParameters > 0) && towerParameters < parameters, name);
        assert.ok(Math.abs(bits - 4.5) < 1e-6, name);
      }
  });

  test('--remove takes the model’s own folders and nothing else', async () => {
    const root = join(home, '.cache/huggingface/hub');
    await layHub(root);
    await lay(join(root, 'models--org--name2/snapshots/x'));
    await lay(ours());
    await lay(join(ours(), '..', 'name2'));
    const outside = await lay(join(home, 'outside'));
    await symlink(outside, join(ours(), 'link'));
    const theirs = await lay(join(home, '.lmstudio/models/org/name'));
    const { removed, left } = await removeModel('org/name');
    assert.deepEqual(
      removed.map(({ folder }) => folder),
      [ours(), join(root, 'models--org--name')],
    );
    assert.ok(removed.every(({ bytes, folder }) => bytes > 8 && !existsSync(folder)));
    assert.deepEqual(left, [theirs]);
    assert.deepEqual((await readdir(outside)).length, Object.keys(WHOLE).length);
    assert.ok(existsSync(join(root, 'models--org--name2')) && existsSync(join(ours(), '..', 'name2')));
    await assert.rejects(removeModel('org/name'), { code: 'MODEL_NOT_FOUND', message: /LM Studio/ });
    await assert.rejects(removeModel('org/none'), { code: 'MODEL_NOT_FOUND' });
    for (const name of ['../..', 'org/..', '..', '.', 'org', '/', home])
      await assert.rejects(removeModel(name), { code: 'INVALID_ARGUMENT' });
  });

  test('pull’s line tells part, rate and time left', () => {
    const half = { file: 'model.safetensors', doneBytes: 2e9, totalBytes: 4e9 };
    assert.equal(progressLine(half), '50 %  2.0 of 4.0 GB  model.safetensors');
    assert.equal(
      progressLine({ ...half, bytesPerSecond: 1e7, secondsLeft: 200 }),
      '50 %  2.0 of 4.0 GB  10.0 MB/s  4 min left  model.safetensors',
    );
  });
});

describe('Hugging Face’s own library', async () => {
  const run = promisify(execFile);
  const python = (script: string, env: Record<string, string> = {}): Promise<string> =>
    run('python3', ['-c', script], { env: { ...process.env, HF_HUB_DISABLE_XET: '1', ...env } }).then(
      ({ stdout }) => stdout.trim(),
    );
  const there = await python('import huggingface_hub').then(
    () => true,
    () => false,
  );
  const skip = there ? false : 'no huggingface_hub for python3';
  const download = 'from huggingface_hub import snapshot_download as d; print(d("org/model"))';

  test('writes a cache in which we find the model', { skip }, async () => {
    const hub = await new LoopbackHub().start();
    try {
      const folder = await python(download, { HF_ENDPOINT: hub.endpoint });
      assert.equal(findModel('org/model'), folder);
      const before = hub.requests.length;
      await pull('org/model', { endpoint: hub.endpoint });
      assert.equal(hub.requests.length, before + 1, 'nothing is downloaded twice');
    } finally {
      hub.close();
    }
  });

  test('finds what we pulled, offline', { skip }, async () => {
    const hub = await new LoopbackHub().start();
    const { folder } = await pull('org/model', { endpoint: hub.endpoint }).finally(() => hub.close());
    assert.equal(await python(download, { HF_HUB_OFFLINE: '1' }), folder);
    assert.deepEqual(await readFile(join(folder, 'model.safetensors')), hub.weights);
  });
});
