// PaddleOCR-VL beside its goldens: what its template is given for an image.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCheckpoint } from '../../src/models/checkpoint/checkpoint-folder.js';
import { buildModel } from '../../src/models/registry.js';

const folder = new URL('../goldens/checkpoints/paddleocr_vl', import.meta.url).pathname;

test('an image stands between its two marks, whatever the tokenizer calls its image token', () => {
  const { templateSwitches, imagePlaceholder } = buildModel(openCheckpoint(folder));
  assert.equal(templateSwitches!['image_token'], `<|IMAGE_START|>${imagePlaceholder}<|IMAGE_END|>`);
});
