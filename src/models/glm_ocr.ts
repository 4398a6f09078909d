// GLM-OCR: Z.ai 2026, https://huggingface.co/zai-org/GLM-OCR. Its layer for predicting several tokens is not read.
import { Config } from './checkpoint/config.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { outputHead } from './checkpoint/weights.js';
import { glm4Decoder } from './decoders/glm4.js';
import type { Family, Model } from './family.js';
import { textWeights, visionWeights } from './qwen2_vl.js';
import { glm4vProcessor, glm4vVisionConfig, glm4vVisionEncoder } from './towers/glm4v.js';

export const GLM_IMAGE_TOKEN = '<|image|>';

export const glmOcr: Family = {
  modelTypes: ['glm_ocr'],
  bestAt: 'reading pages',
  checkpoints: [{ name: 'zai-org/GLM-OCR', parameters: 1_107_405_824, towerParameters: 434_120_192 }],
  build(checkpoint) {
    const config = new Config(checkpoint.config, 'config.json');
    const hidden = config.section('text_config').count('hidden_size');
    const vision = glm4vVisionConfig(config);
    const tower = {
      ocr: true,
      inner: vision.count('intermediate_size'),
      mergerInner: hidden * vision.count('in_channels'),
    };
    return glmModel(checkpoint, {
      modelType: 'glm_ocr',
      vision: glm4vVisionEncoder(vision, hidden, visionWeights(checkpoint), tower),
      processor: glm4vProcessor(checkpoint, GLM_IMAGE_TOKEN, null),
      boxes: null,
      // It does not think unless asked; the switch would only add words it was not trained to read with.
      templateSwitches: {},
    });
  },
};

/** Decoder and prompt of every GLM that sees. @param qkvBias Of queries, keys and values, where config.json does not say. */
export function glmModel(
  checkpoint: Checkpoint,
  parts: Pick<Model, 'modelType' | 'vision' | 'processor' | 'boxes' | 'templateSwitches'>,
  qkvBias = false,
): Model {
  const config = new Config(checkpoint.config, 'config.json');
  const text = config.section('text_config');
  const w = textWeights(checkpoint);
  const tied = config.boolean('tie_word_embeddings', text.boolean('tie_word_embeddings', false));
  return {
    ...parts,
    decoder: glm4Decoder(w, outputHead(checkpoint, w('embed_tokens'), tied), text, qkvBias),
    positionAxes: 3,
    imagePlaceholder: GLM_IMAGE_TOKEN,
    imageToken: GLM_IMAGE_TOKEN,
    imageTokenId: imageTokenId(checkpoint, GLM_IMAGE_TOKEN, 'image_token_id'),
    visibility: 'causal',
    eosTokenIds: stopTokenIds(checkpoint, '<|user|>'),
    contextLength: text.count('max_position_embeddings', 131072),
  };
}
