// Mistral Small 3.1 and later: Pixtral's tower, whose patches are merged 2 × 2 before the projection. Files that say so with
// Qwen3 as text model are LightOnOCR's.
import { Config } from './checkpoint/config.js';
import type { Family, Model } from './family.js';
import { isLightOnOcr, lightOnOcrModel } from './lighton_ocr.js';
import { mistralVisionModel } from './llava.js';
import { mergedVisionEncoder, pixtralConfig } from './towers/pixtral.js';
import { pixtralImageProcessor, pixtralMarkers } from './processors/pixtral-image.js';

export const mistral3: Family = {
  modelTypes: ['mistral3'],
  bestAt: 'general, documents',
  checkpoints: [
    {
      name: 'mistralai/Mistral-Small-3.1-24B-Instruct-2503',
      parameters: 24_011_361_280,
      towerParameters: 403_305_472,
    },
  ],
  build(checkpoint): Model {
    const config = new Config(checkpoint.config, 'config.json');
    if (isLightOnOcr(config)) return lightOnOcrModel(checkpoint);
    const patch = pixtralConfig(config).count('patch_size');
    return mistralVisionModel(
      checkpoint,
      {
        vision: mergedVisionEncoder(checkpoint, config, { merged: 'patches' }),
        processor: pixtralImageProcessor(checkpoint, { patch, merge: config.count('spatial_merge_size', 2) }),
      },
      pixtralMarkers(checkpoint).image,
    );
  },
};
