// Checkpoints made by whoever: pipes and devices for files, texts without end, settings of any type and size. Each is
// refused by a sentence with a code, soon and in little memory. AFTERIMAGE_FUZZ=100000 tries that many settings.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
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
import { buildModel, openModel } from '../../src/models/registry.js';
import { PromptBuilder } from '../../src/prompt/prompt.js';
import { Tokenizer } from '../../src/prompt/tokenizer.js';
import { mutatedJson, random } from '../fuzz/mutations.js';

const MUTATIONS = Number(process.env['AFTERIMAGE_FUZZ'] ?? 300);
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
          () => PromptBuilder.load(folder, openModel(folder).model),
          (error: unknown) => error instanceof AfterimageError && error.code === 'INVALID_CHECKPOINT',
        );
      });
    }
  }
});

function requireSound(work: () => unknown, what: () => string): void {
  const start = performance.now();
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof AfterimageError, `${String((error as Error).stack)}\n${what()}`);
  }
  assert.ok(performance.now() - start < 10_000, `takes too long: ${what()}`);
}

describe(`${MUTATIONS} mutations`, () => {
  test('of settings build a model or are refused with a code', () => {
    const sound = openCheckpoint(starterFolder());
    const next = random(1);
    for (let i = 0; i < MUTATIONS; i++) {
      const checkpoint = {
        ...sound,
        config: mutatedJson(sound.config, next) as Record<string, unknown>,
        ...(i % 2 === 0 && {
          imageProcessor: mutatedJson(sound.imageProcessor, next) as Record<string, unknown>,
        }),
      };
      requireSound(
        () => buildModel(checkpoint).processor.plan(640, 480),
        () => JSON.stringify([checkpoint.config, checkpoint.imageProcessor]),
      );
    }
  });

  test('of a tokenizer read text or are refused with a code', () => {
    const name = join(starterFolder(), 'tokenizer.json');
    const sound = JSON.parse(readFileSync(name, 'utf8')) as Record<string, unknown>;
    const folder = mkdtempSync(join(root, 'tokenizer-'));
    const next = random(2);
    for (let i = 0; i < MUTATIONS / 10; i++) {
      const text = JSON.stringify(mutatedJson(sound, next));
      writeFileSync(join(folder, 'tokenizer.json'), text);
      requireSound(
        () => Tokenizer.load(folder),
        () => text.slice(0, 2000),
      );
    }
  });
});
