// Mistral Small 3.1 and later: Pixtral's tower, whose patches are merged 2 × 2 before the projection.
import { GraphBuilder, rowsOf } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import type { Family, Model } from './family.js';
import { mistralVisionModel, project } from './llava.js';
import {
  mistralConfig,
  pixtralConfig,
  pixtralTower,
  pixtralWeights,
  projectorWeights,
} from './towers/pixtral.js';
import { pixtralImageProcessor, pixtralMarkers } from './processors/pixtral-image.js';

export const mistral3: Family = {
  modelTypes: ['mistral3'],
  checkpoints: [
    {
      name: 'mistralai/Mistral-Small-3.1-24B-Instruct-2503',
      parameters: 24_011_361_280,
      towerParameters: 403_305_472,
    },
  ],
  build(checkpoint): Model {
    const config = new Config(checkpoint.config, 'config.json');
    const patch = pixtralConfig(config).count('patch_size');
    return mistralVisionModel(
      checkpoint,
      {
        vision: visionEncoder(checkpoint, config),
        processor: pixtralImageProcessor(checkpoint, { patch, merge: config.count('spatial_merge_size', 2) }),
      },
      pixtralMarkers(checkpoint).image,
    );
  },
};

function visionEncoder(checkpoint: Checkpoint, config: Config): Program {
  const g = new GraphBuilder('vision');
  const vision = pixtralConfig(config);
  const merge = config.count('spatial_merge_size', 2);
  const x = pixtralTower(g, vision, pixtralWeights(checkpoint), config.number('vision_feature_layer', -1)); // [patches, width]
  const order = g.input('block_order', { rows: rowsOf('patches'), width: 1, dtype: 'i32' });

  const w = projectorWeights(checkpoint);
  const eps = mistralConfig(config).number('rms_norm_eps', 1e-5);
  const normed = g.rmsNorm(x, w('norm'), eps);
  const blocks = g.regroup(g.gatherRows(normed, order), merge * merge); // [tokens, merge²·width]
  // The merger's columns are channel-major: channel, then place inside the block.
  const merged = g.linear(
    g.transposeInner(blocks, merge * merge),
    w('patch_merger.merging_layer'),
    vision.count('hidden_size'),
  );
  g.output('features', project(g, merged, w, config, false));
  return g.finish();
}
