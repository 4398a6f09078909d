// Pictures with a side of tens of thousands of pixels through the whole engine: every family answers about them or
// refuses them in a sentence.
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { test } from 'node:test';
import { AfterimageError } from '../../src/errors.js';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { starterFolder } from '../../src/engine/model-folder.js';
import { pixelIdentity } from '../../src/image/key.js';
import type { ImageInput } from '../../src/image/rgb-image.js';
import { readConfig } from '../../src/models/checkpoint/checkpoint-folder.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import { checkpointFolders } from '../goldens/checkpoints.js';

const SIZES = [
  [200, 32_000],
  [40_000, 4],
] as const;

function white(width: number, height: number): ImageInput {
  const image = { width, height, data: new Uint8Array(width * height * 3).fill(255) };
  return { ...pixelIdentity(image), pixels: async () => image };
}

/** One checkpoint of each family; the bundled model as it is. */
const folders = new Map(
  [starterFolder(), ...checkpointFolders()].map((folder) => [
    folder === starterFolder() ? 'bundled' : readConfig(folder)['model_type'],
    folder,
  ]),
);

for (const folder of folders.values()) {
  test(`${basename(folder)} looks at giants`, async () => {
    const engine = new LocalEngine({ model: folder, threads: 2, maxPixels: 150_000 });
    try {
      for (const [width, height] of SIZES) {
        try {
          const messages = [systemMessage(), userMessage([white(width, height)], 'What?')];
          const { viewed, stopReason } = await engine.open().ask(messages, { maxTokens: 1 });
          assert.ok(['end', 'length'].includes(stopReason), stopReason);
          assert.ok(viewed[0]!.width > 0 && viewed[0]!.height > 0);
        } catch (error) {
          assert.ok(error instanceof AfterimageError, String(error));
          assert.match(error.message, /too (narrow|long).*crop it\.$/);
        }
      }
    } finally {
      await engine.close();
    }
  });
}
