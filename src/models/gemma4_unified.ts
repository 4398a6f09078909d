// Gemma 4 12B, which has no vision tower: k × k patches are one token, whose pixels are projected straight into the
// decoder. Decoder and prompt are Gemma 4's.
import { GraphBuilder, rowsOf } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { weightModule, weightScope, type CheckpointModule, type WeightScope } from './checkpoint/weights.js';
import type { Family, NamedTensor } from './family.js';
import { gemma4Model, gemma4Placeholder } from './gemma4.js';
import { gemma4ImageProcessor } from './processors/gemma4-image.js';
import { floatTensor, indexTensor, type PatchGrid } from './processors/pixels.js';
import { tensorFilter, tensorResize } from './processors/tensor-resize.js';

export const gemma4Unified: Family = {
  modelTypes: ['gemma4_unified'],
  bestAt: 'general',
  checkpoints: [{ name: 'google/gemma-4-12B-it', parameters: 11_959_730_224, towerParameters: 0 }],
  build(checkpoint) {
    const config = new Config(checkpoint.config, 'config.json');
    const filter = tensorFilter(new Config(checkpoint.imageProcessor, 'processor_config.json'), 'bicubic');
    return gemma4Model(checkpoint, {
      modelType: 'gemma4_unified',
      vision: visionEncoder(checkpoint, config),
      processor: gemma4ImageProcessor(checkpoint, {
        merged: true,
        resize: (image, width, height) => tensorResize(image, width, height, filter),
        placeholder: gemma4Placeholder,
        symbols: (tokens) => ({ tokens }),
        tables: positionTables,
      }),
    });
  },
};

/** Of torch's LayerNorm, which no file states. */
const LAYER_NORM_EPS = 1e-5;

/** Names as on the hub, as transformers writes them since 5.18, and as MLX does. */
const embedderWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(
    checkpoint,
    ['model.vision_embedder.', 'model.embed_vision.', 'vision_embedder.', 'embed_vision.'],
    'patch_dense',
  );
const projection = (checkpoint: Checkpoint): CheckpointModule =>
  weightModule(
    checkpoint,
    [
      'model.embed_vision.',
      'model.embed_vision.multimodal_embedder.',
      'embed_vision.',
      'embed_vision.multimodal_embedder.',
    ].map((prefix) => `${prefix}embedding_projection`),
  );

/** The table's entries alternate between the axes: 2x is column x, 2y + 1 row y. */
function positionTables({ rows, columns }: PatchGrid): Record<string, NamedTensor> {
  const index = Array.from({ length: rows * columns }, (_, i) => [
    2 * (i % columns),
    2 * Math.floor(i / columns) + 1,
  ]).flat();
  return {
    position_index: indexTensor(index, 2),
    position_weight: floatTensor(new Float32Array(index.length).fill(1), 2),
  };
}

function visionEncoder(checkpoint: Checkpoint, config: Config): Program {
  const g = new GraphBuilder('vision');
  const vision = config.section('vision_config');
  const [width, side] = [vision.count('mm_embed_dim'), vision.count('model_patch_size')];
  const positions = vision.count('mm_posemb_size');
  const w = embedderWeights(checkpoint);
  const tokens = rowsOf('tokens');
  const pixels = g.input('pixel_values', { rows: tokens, width: 3 * side * side }); // in [0, 1]
  const index = g.input('position_index', { rows: tokens, width: 2, dtype: 'i32' });
  const weight = g.input('position_weight', { rows: tokens, width: 2 });

  // The norm alone would turn the rounding of a flat patch's mean into features: it is taken off twice.
  const centred = g.add(pixels, g.rowStatistic(pixels, 'mean', { scale: -1 }));
  const normed = g.layerNorm(centred, w('patch_ln1'), LAYER_NORM_EPS);
  const dense = g.linear(normed, w('patch_dense'), width, { bias: true });
  const table = w('pos_embedding').table([positions, 2, width], width, '');
  const placed = g.add(
    g.layerNorm(dense, w('patch_ln2'), LAYER_NORM_EPS),
    g.weightedRows(table, index, weight),
  );
  const x = g.layerNorm(placed, w('pos_norm'), LAYER_NORM_EPS);
  const hidden = config.section('text_config').count('hidden_size');
  const eps = vision.number('rms_norm_eps', 1e-6);
  g.output('features', g.linear(g.rmsNorm(x, null, eps), projection(checkpoint), hidden));
  return g.finish();
}
