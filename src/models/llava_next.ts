// LLaVA-NeXT (LLaVA 1.6): Liu et al. 2024, https://llava-vl.github.io/blog/2024-01-30-llava-next. LLaVA that sees the image
// once as a whole and once larger, in tiles; every row of the larger picture ends in a learned line break.
import { GraphBuilder, rowsOf } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import { AfterimageError } from '../errors.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { weightModule } from './checkpoint/weights.js';
import type { Family } from './family.js';
import { clipImageToken, clipWeights, mistralVisionModel } from './llava.js';
import { llavaNextImageProcessor } from './processors/llava-next-image.js';
import type { Size } from './processors/smart-resize.js';
import { clipShape, clipSymbols, clipTables, clipTower } from './towers/clip.js';
import { mistralConfig, project, projectorWeights } from './towers/pixtral.js';
import { imageTokens } from './processors/placeholder.js';

export const llavaNext: Family = {
  modelTypes: ['llava_next'],
  bestAt: 'general; older',
  checkpoints: [
    { name: 'llava-hf/llava-v1.6-mistral-7b-hf', parameters: 7_566_747_648, towerParameters: 303_507_456 },
    { name: 'llava-hf/llava-v1.6-vicuna-7b-hf', parameters: 7_063_431_168, towerParameters: 303_507_456 },
  ],
  build(checkpoint) {
    const config = new Config(checkpoint.config, 'config.json');
    const tower = config.section('vision_config').string('model_type', 'clip_vision_model');
    if (tower !== 'clip_vision_model') {
      throw new AfterimageError(
        'MODEL_UNSUPPORTED',
        `LLaVA-NeXT with the vision tower "${tower}" is not supported; with a CLIP tower it is: llava-hf/llava-v1.6-mistral-7b-hf.`,
      );
    }
    const image = clipImageToken(checkpoint);
    const processor = llavaNextImageProcessor(checkpoint, pinpoints(checkpoint, config), {
      patch: clipShape(config).patch_size,
      placeholder: (tokens) => imageTokens(image, tokens),
      symbols: clipSymbols,
      tables: clipTables,
    });
    return mistralVisionModel(checkpoint, { vision: visionEncoder(checkpoint, config), processor }, image);
  },
};

/** Sizes of the larger picture, stored as [height, width]; the processor's file first, as the reference reads them. */
function pinpoints(checkpoint: Checkpoint, config: Config): Size[] {
  const stated = checkpoint.imageProcessor.image_grid_pinpoints ?? config.raw().image_grid_pinpoints;
  const valid =
    Array.isArray(stated) &&
    stated.every((size) => Array.isArray(size) && size.length === 2 && size.every(Number.isInteger));
  if (!valid) {
    throw new AfterimageError(
      'INVALID_CHECKPOINT',
      'Expected a list of [height, width] for "image_grid_pinpoints" in config.json; download the checkpoint again.',
    );
  }
  return (stated as [number, number][]).map(([height, width]) => ({ width, height }));
}

function visionEncoder(checkpoint: Checkpoint, config: Config): Program {
  const g = new GraphBuilder('vision');
  const x = clipTower(g, clipWeights(checkpoint), clipShape(config)); // [patches, width]
  const features = project(g, x, projectorWeights(checkpoint), config, true); // [patches, hidden]
  const tokens = rowsOf('tokens');
  const order = g.input('token_index', { rows: tokens, width: 1, dtype: 'i32' });
  const breaks = g.input('newline_index', { rows: tokens, width: 1, dtype: 'i32' });
  const weight = g.input('newline_weight', { rows: tokens, width: 1 });
  const hidden = mistralConfig(config).count('hidden_size');
  const newline = weightModule(checkpoint, ['image_newline', 'model.image_newline']).table(
    [hidden],
    hidden,
    '',
  );
  g.output('features', g.add(g.gatherRows(features, order), g.weightedRows(newline, breaks, weight)));
  return g.finish();
}
