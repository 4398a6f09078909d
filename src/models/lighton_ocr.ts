// LightOnOCR: LightOn 2025, https://huggingface.co/blog/lightonai/lightonocr. Pixtral's tower and merger before Qwen3. The
// published files call themselves mistral3; only files that transformers 5 has saved say lighton_ocr.
import { GraphBuilder } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { weightModule } from './checkpoint/weights.js';
import { llamaDecoder, llamaShape } from './decoders/llama.js';
import type { Family, Model } from './family.js';
import { pixtralImageProcessor } from './processors/pixtral-image.js';
import { QWEN_IMAGE_TOKEN, textWeights } from './qwen2_vl.js';
import { ropeSettings } from './rope.js';
import { mergedVisionEncoder, pixtralConfig } from './towers/pixtral.js';

export const lightOnOcr: Family = {
  modelTypes: ['lighton_ocr'],
  bestAt: 'reading pages',
  checkpoints: [
    { name: 'lightonai/LightOnOCR-2-1B', parameters: 1_005_647_872, towerParameters: 403_305_472 },
    { name: 'lightonai/LightOnOCR-1B-1025', parameters: 1_005_647_872, towerParameters: 403_305_472 },
  ],
  build: lightOnOcrModel,
};

/** Whether a file that says mistral3 is one of these. */
export const isLightOnOcr = (config: Config): boolean =>
  config.section('text_config').string('model_type', 'mistral') === 'qwen3';

export function lightOnOcrModel(checkpoint: Checkpoint): Model {
  const config = new Config(checkpoint.config, 'config.json');
  const processor = new Config(checkpoint.processor, 'processor_config.json');
  const image = processor.string('image_token', QWEN_IMAGE_TOKEN);
  return {
    modelType: 'lighton_ocr',
    vision: mergedVisionEncoder(checkpoint, config, {
      merged: 'merged_patches',
      layer: -1,
    }),
    decoder: decoder(checkpoint, config),
    processor: pixtralImageProcessor(checkpoint, {
      patch: pixtralConfig(config).count('patch_size'),
      merge: config.count('spatial_merge_size', 2),
      ragged: true,
      markers: { image, lineBreak: '', end: '' },
    }),
    positionAxes: 1,
    imagePlaceholder: image,
    imageToken: image,
    imageTokenId: imageTokenId(checkpoint, image, 'image_token_id', 'image_token_index'),
    visibility: 'causal',
    eosTokenIds: stopTokenIds(checkpoint),
    boxes: null,
    contextLength: config.section('text_config').count('max_position_embeddings', 40960),
  };
}

function decoder(checkpoint: Checkpoint, config: Config): Program {
  const g = new GraphBuilder('decoder');
  const text = config.section('text_config');
  const w = textWeights(checkpoint);
  const shape = llamaShape(text, { qkNorm: true, qkvBias: text.boolean('attention_bias', false) });
  // Files say that it is tied, or do not say.
  const stored = weightModule(checkpoint, ['lm_head', 'language_model.lm_head']);
  llamaDecoder(g, w, stored.exists ? stored : w('embed_tokens'), shape, {
    rope: ropeSettings(text, { theta: 1_000_000 }),
  });
  return g.finish();
}
