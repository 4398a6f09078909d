// Kimi-VL (Kimi team 2025, https://arxiv.org/abs/2504.07491) and Kimi K2.5: MoonViT and a DeepSeek-V3 decoder.
import { GraphBuilder } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { deepseekDecoder } from './decoders/deepseek.js';
import type { Family, Model, Processor } from './family.js';
import { mergedPatches, moonVit, moonVitShape, moonVitTables, type MoonVitShape } from './towers/moonvit.js';
import { k25Size, kimiImageProcessor, kimiVlSize } from './processors/kimi-image.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { outputHead, weightScope, type WeightScope } from './checkpoint/weights.js';

const IMAGE_TOKEN = '<|media_pad|>';

export const kimiVl: Family = {
  modelTypes: ['kimi_vl'],
  bestAt: 'screens, pointing',
  checkpoints: [
    {
      name: 'moonshotai/Kimi-VL-A3B-Thinking-2506',
      parameters: 16_407_656_048,
      towerParameters: 447_545_840,
    },
    { name: 'moonshotai/Kimi-VL-A3B-Instruct', parameters: 16_407_656_048, towerParameters: 447_545_840 },
  ],
  build: (checkpoint) => kimiModel(checkpoint, 'kimi_vl', kimiVlProcessor),
};

export const kimiK25: Family = {
  modelTypes: ['kimi_k25'],
  bestAt: 'general; a server of its own',
  checkpoints: [
    { name: 'moonshotai/Kimi-K2.5', parameters: 1_026_879_376_368, towerParameters: 471_143_920 },
  ],
  build: (checkpoint) => kimiModel(checkpoint, 'kimi_k25', k25Processor),
};

function kimiModel(
  checkpoint: Checkpoint,
  modelType: string,
  processor: (settings: Config, c: MoonVitShape) => Processor,
): Model {
  const config = new Config(checkpoint.config, 'config.json');
  const text = config.section('text_config');
  const shape = moonVitShape(config.section('vision_config'));
  const w = weightScope(checkpoint, ['language_model.model.', 'model.language_model.'], 'embed_tokens');
  const tied = config.boolean('tie_word_embeddings', text.boolean('tie_word_embeddings', false));
  return {
    modelType,
    vision: visionEncoder(checkpoint, config, shape, text.count('hidden_size')),
    decoder: deepseekDecoder(text, w, outputHead(checkpoint, w('embed_tokens'), tied)),
    processor: processor(new Config(checkpoint.imageProcessor, 'preprocessor_config.json'), shape),
    positionAxes: 1,
    imagePlaceholder: IMAGE_TOKEN,
    imageToken: IMAGE_TOKEN,
    imageTokenId: imageTokenId(checkpoint, IMAGE_TOKEN, 'media_placeholder_token_id', 'image_token_id'),
    visibility: 'causal',
    eosTokenIds: stopTokenIds(checkpoint, '<|im_end|>'),
    boxes: { scale: 'relative-1', lines: false },
    contextLength: text.count('max_position_embeddings', 131072),
  };
}

function k25Processor(settings: Config, c: MoonVitShape): Processor {
  const patchLimit = settings.count(settings.spelling('in_patch_limit', 'max_patches'), 16384);
  const sideLimit = settings.count('patch_limit_on_one_side', 512);
  return kimiImageProcessor(settings, {
    imageToken: IMAGE_TOKEN,
    resized: k25Size(c.patch, patchLimit, sideLimit),
    resampler: 'tensor',
    fit: 'pad',
    patch: c.patch,
    merge: c.merge,
    tables: (rows, columns) => moonVitTables(c, rows, columns),
  });
}

function kimiVlProcessor(settings: Config, c: MoonVitShape): Processor {
  return kimiImageProcessor(settings, {
    imageToken: IMAGE_TOKEN,
    resized: kimiVlSize(c.patch, settings.count('in_token_limit', 4096)),
    resampler: 'pillow',
    fit: settings.boolean('pad_input', true) ? 'pad' : 'cut',
    patch: c.patch,
    merge: c.merge,
    tables: (rows, columns) => moonVitTables(c, rows, columns),
  });
}

/** Projector under its name in Kimi K2.5 or in Kimi-VL. */
function projector(checkpoint: Checkpoint): { w: WeightScope; first: string; second: string } {
  const w = weightScope(
    checkpoint,
    ['mm_projector.', 'model.mm_projector.', 'multi_modal_projector.', 'model.multi_modal_projector.'],
    'pre_norm',
  );
  return w('proj.0').exists
    ? { w, first: 'proj.0', second: 'proj.2' }
    : { w, first: 'linear_1', second: 'linear_2' };
}

function visionEncoder(checkpoint: Checkpoint, config: Config, c: MoonVitShape, hidden: number): Program {
  const g = new GraphBuilder('vision');
  const { w, first, second } = projector(checkpoint);
  const eps = config
    .section('vision_config')
    .number('projector_ln_eps', config.number('projection_layer_norm_eps', 1e-5));
  const normed = g.layerNorm(moonVit(g, checkpoint, c), w('pre_norm'), eps);
  const merged = mergedPatches(g, normed, c.merge); // [tokens, merge²·width]
  const inner = g.activation(g.linear(merged, w(first), merged.width, { bias: true }), 'gelu');
  g.output('features', g.linear(inner, w(second), hidden, { bias: true }));
  return g.finish();
}
