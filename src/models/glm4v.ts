// GLM-4.1V and GLM-4.6V-Flash: GLM-V team 2025, https://arxiv.org/abs/2507.01006. GLM-OCR with biases in the decoder and a
// learned table of positions in the tower. The 106B with experts (`glm4v_moe`) is not read.
import { AfterimageError } from '../errors.js';
import { Config } from './checkpoint/config.js';
import type { Family } from './family.js';
import { GLM_IMAGE_TOKEN, glmModel } from './glm_ocr.js';
import { visionWeights } from './qwen2_vl.js';
import { glm4vProcessor, glm4vVisionConfig, glm4vVisionEncoder } from './towers/glm4v.js';

export const glm4v: Family = {
  modelTypes: ['glm4v', 'glm46v'],
  bestAt: 'reading, pointing, general; thinks first',
  checkpoints: [
    { name: 'zai-org/GLM-4.6V-Flash', parameters: 10_292_777_472, towerParameters: 892_498_432 },
    { name: 'zai-org/GLM-4.1V-9B-Thinking', parameters: 10_292_777_472, towerParameters: 892_498_432 },
  ],
  build(checkpoint) {
    const config = new Config(checkpoint.config, 'config.json');
    const text = config.section('text_config');
    requireDense(text);
    const vision = glm4vVisionConfig(config);
    const tower = {
      ocr: false,
      inner: vision.count('out_hidden_size'),
      mergerInner: vision.count('intermediate_size'),
    };
    const side = vision.count('image_size') / vision.count('patch_size');
    return glmModel(
      checkpoint,
      {
        modelType: 'glm4v',
        vision: glm4vVisionEncoder(vision, text.count('hidden_size'), visionWeights(checkpoint), tower),
        processor: glm4vProcessor(checkpoint, GLM_IMAGE_TOKEN, side),
        boxes: { scale: 'relative-1000', lines: false },
      },
      true,
    );
  },
};

/** @throws AfterimageError MODEL_UNSUPPORTED: `glm46v` may hold the decoder of the 106B. */
function requireDense(text: Config): void {
  const kind = text.string('model_type', 'glm4v_text');
  if (kind === 'glm4v_text') return;
  throw new AfterimageError(
    'MODEL_UNSUPPORTED',
    `The decoder "${kind}" of this checkpoint is not supported; take "zai-org/GLM-4.6V-Flash".`,
  );
}
