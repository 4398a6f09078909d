// PaddleOCR-VL beside its goldens: what its template is given for an image, and the layout that is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCheckpoint } from '../../src/models/checkpoint/checkpoint-folder.js';
import { buildModel } from '../../src/models/registry.js';

const folder = new URL('../goldens/checkpoints/paddleocr_vl', import.meta.url).pathname;

test('an image stands between its two marks, whatever the tokenizer calls its image token', () => {
  const { templateSwitches, imagePlaceholder } = buildModel(openCheckpoint(folder));
  assert.equal(templateSwitches!['image_token'], `<|IMAGE_START|>${imagePlaceholder}<|IMAGE_END|>`);
});

test("MLX's layout, whose tower is fused and quantized, is refused by name", () => {
  const checkpoint = openCheckpoint(folder);
  const one = [...checkpoint.tensors.values()][0]!;
  const tensors = new Map([...checkpoint.tensors, ['visual.layers.0.self_attn.qkv.weight', one]]);
  assert.throws(() => buildModel({ ...checkpoint, tensors }), { code: 'MODEL_UNSUPPORTED', message: /MLX/ });
});
