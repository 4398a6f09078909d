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

test('a side that is not whole patches has a table of the whole ones, as the published size has it', () => {
  const checkpoint = openCheckpoint(folder);
  const vision = checkpoint.config['vision_config'] as Record<string, number>;
  const wider = { ...vision, image_size: vision['image_size']! + vision['patch_size']! - 1 };
  const model = buildModel({ ...checkpoint, config: { ...checkpoint.config, vision_config: wider } });
  assert.deepEqual(model.vision, buildModel(checkpoint).vision);
});
