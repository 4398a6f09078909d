import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isComplete, weightBytes } from '../../src/engine/model-places.js';
import { scratchFolder } from '../scratch-folder.js';

function folderWith(...names: string[]): string {
  const folder = scratchFolder('place');
  for (const name of names) writeFileSync(join(folder, name), '{}');
  return folder;
}

test('a checkpoint is whole with config, tokenizer and weights; a GGUF pair is in itself', () => {
  const whole = (...names: string[]): boolean => isComplete(folderWith(...names));
  assert.ok(whole('config.json', 'tokenizer.json', 'model.safetensors'));
  assert.ok(!whole('config.json', 'model.safetensors'));
  assert.ok(!whole('tokenizer.json', 'model.safetensors'));
  assert.ok(whole('model-Q4_K_M.gguf', 'mmproj-F16.gguf'));
  assert.ok(whole('config.json', 'model-Q4_K_M.gguf', 'mmproj-F16.gguf'), 'settings of the makers beside it');
  assert.ok(!whole('model-Q4_K_M.gguf'));
  assert.ok(!whole('mmproj-F16.gguf'));
  assert.ok(!whole('model-Q4_K_M.gguf.incomplete', 'model-Q4_K_M.gguf', 'mmproj-F16.gguf'));
});

test('weights are counted whatever holds them', () => {
  assert.equal(weightBytes(folderWith('a.gguf', 'mmproj.gguf', 'config.json')), 4);
  assert.equal(weightBytes(folderWith('model.safetensors', 'consolidated.safetensors')), 2);
});
