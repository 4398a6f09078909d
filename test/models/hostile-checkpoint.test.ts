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
import { openModel } from '../../src/models/registry.js';
import { PromptBuilder } from '../../src/prompt/prompt.js';

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
