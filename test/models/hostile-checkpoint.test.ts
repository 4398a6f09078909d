// Checkpoints made by whoever: pipes and devices for files, texts without end, settings of any type and size. Each is
// refused by a sentence with a code, soon and in little memory. What is inside of them: test/fuzz.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { starterFolder } from '../../src/engine/model-folder.js';
import { AfterimageError } from '../../src/errors.js';
import { openCheckpoint } from '../../src/models/checkpoint/checkpoint-folder.js';
import type { Checkpoint } from '../../src/models/checkpoint/checkpoint.js';
import { reading } from '../../src/models/checkpoint/plain-file.js';
import { imageTokens } from '../../src/models/processors/placeholder.js';
import { buildModel, openModel } from '../../src/models/registry.js';
import { PromptBuilder } from '../../src/prompt/prompt.js';
import { checkpointFolders, modelTypeOf } from '../goldens/checkpoints.js';

const root = mkdtempSync(join(tmpdir(), 'afterimage-hostile-checkpoint-'));
after(() => rmSync(root, { recursive: true, force: true }));

function starterWithout(file: string): string {
  const folder = mkdtempSync(join(root, 'model-'));
  for (const name of readdirSync(starterFolder(), { withFileTypes: true })) {
    if (name.isFile() && name.name !== file)
      copyFileSync(join(starterFolder(), name.name), join(folder, name.name));
  }
  return folder;
}

describe('a checkpoint file that', () => {
  const kinds: Record<string, (path: string) => void> = {
    'is a pipe': (path) => void execFileSync('mkfifo', [path]),
    'is a device': (path) => symlinkSync('/dev/zero', path),
    'has no end': (path) => {
      writeFileSync(path, '{');
      truncateSync(path, 2 ** 40);
    },
  };
  for (const [kind, make] of Object.entries(kinds)) {
    for (const file of ['config.json', 'tokenizer.json', 'model.safetensors']) {
      if (kind === 'has no end' && file === 'model.safetensors') continue;
      test(`${kind} is refused: ${file}`, { timeout: 20_000 }, () => {
        const folder = starterWithout(file);
        make(join(folder, file));
        assert.throws(
          () => PromptBuilder.load({ folder }, openModel(folder).model),
          (error: unknown) => error instanceof AfterimageError && error.code === 'INVALID_CHECKPOINT',
        );
      });
    }
  }
});

/** What lists, tables and pictures are made of. */
const SIZES =
  /(hidden_size|hidden_dim|head_dim|layers|depth|heads|experts|section|patch_size|tile|image_size|edge|position)/;
const BILLION = 1e9;
const MOST_CPU_MS = 4000;

/** The settings once for each size in them, with a billion in its place. */
function* enlarged(settings: unknown, at = ''): Iterable<[place: string, settings: unknown]> {
  if (typeof settings === 'number' && SIZES.test(at)) yield [at, BILLION];
  if (typeof settings !== 'object' || settings === null) return;
  for (const [key, value] of Object.entries(settings)) {
    for (const [place, changed] of enlarged(value, `${at}.${key}`)) {
      if (Array.isArray(settings)) yield [place, settings.with(Number(key), changed)];
      else yield [place, { ...settings, [key]: changed }];
    }
  }
}

function makesUseOf(checkpoint: Checkpoint): void {
  const { processor } = buildModel(checkpoint);
  const plan = reading(checkpoint.folder, () => processor.plan(640, 480));
  // What is beyond that is refused before it is made.
  if (Math.max(...Object.values(plan.symbols)) > 65_536) return;
  const image = { width: 640, height: 480, data: new Uint8Array(640 * 480 * 3) };
  reading(checkpoint.folder, () => processor.inputs(image, plan));
}

describe('a billion in the settings makes no list and no picture of that size:', () => {
  const ofEachType = new Map(checkpointFolders().map((folder) => [modelTypeOf(folder), folder]));
  for (const [modelType, folder] of ofEachType) {
    test(modelType, { timeout: 120_000 }, () => {
      const sound = openCheckpoint(folder);
      for (const part of ['config', 'imageProcessor'] as const) {
        for (const [place, settings] of enlarged(sound[part])) {
          const begun = process.cpuUsage();
          try {
            makesUseOf({ ...sound, [part]: settings });
          } catch (error) {
            assert.ok(error instanceof AfterimageError, `${part}${place}: ${(error as Error).stack}`);
          }
          const { user, system } = process.cpuUsage(begun);
          assert.ok(user + system < MOST_CPU_MS * 1000, `${part}${place} takes ${user + system} µs`);
        }
      }
    });
  }
});

test('an image has as many tokens as the longest context holds, or the checkpoint is refused', () => {
  assert.equal(imageTokens('x', 2 ** 20).length, 2 ** 20);
  for (const count of [2 ** 20 + 1, -1, 1.5, NaN, Infinity])
    assert.throws(() => imageTokens('x', count), { code: 'INVALID_CHECKPOINT', message: /any model reads/ });
});
