// LLaVA (Liu et al. 2023, https://arxiv.org/abs/2304.08485) with a CLIP tower (LLaVA 1.5) or Pixtral's (Pixtral 12B,
// Agrawal et al. 2024, https://arxiv.org/abs/2410.07073).
import { AfterimageError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import type { Family, Model } from './family.js';
import { llamaDecoder, llamaShape } from './decoders/llama.js';
import {
  mistralConfig,
  pixtralConfig,
  pixtralTower,
  pixtralWeights,
  project,
  projectorWeights,
} from './towers/pixtral.js';
import { clipShape, clipSymbols, clipTables, clipTower } from './towers/clip.js';
import { clipImageProcessor } from './processors/clip-image.js';
import { pixtralImageProcessor, pixtralMarkers } from './processors/pixtral-image.js';
import { ropeSettings } from './rope.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { weightModule, weightScope, type WeightScope } from './checkpoint/weights.js';
import { imageTokens } from './processors/placeholder.js';

export const llava: Family = {
  modelTypes: ['llava', 'pixtral'],
  bestAt: 'general; older',
  checkpoints: [
    { name: 'llava-hf/llava-1.5-7b-hf', parameters: 7_063_427_072, towerParameters: 303_507_456 },
    { name: 'llava-hf/llava-1.5-13b-hf', parameters: 13_351_494_656, towerParameters: 303_507_456 },
    { name: 'mistral-community/pixtral-12b', parameters: 12_682_739_712, towerParameters: 403_489_792 },
  ],
  build(checkpoint): Model {
    const config = new Config(checkpoint.config, 'config.json');
    const vision = pixtralConfig(config);
    const tower = vision.string('model_type', 'pixtral');
    if (tower === 'clip_vision_model') return clipModel(checkpoint, config);
    if (tower !== 'pixtral') {
      throw new AfterimageError(
        'MODEL_UNSUPPORTED',
        `LLaVA with the vision tower "${tower}" is not supported; LLaVA with a CLIP or a Pixtral tower is: llava-hf/llava-1.5-7b-hf.`,
      );
    }
    return mistralVisionModel(
      checkpoint,
      {
        vision: visionEncoder(checkpoint, config),
        processor: pixtralImageProcessor(checkpoint, { patch: vision.count('patch_size'), merge: 1 }),
      },
      pixtralMarkers(checkpoint).image,
    );
  },
};

/** One frame of the image's middle square, one token for each of its patches. */
function clipModel(checkpoint: Checkpoint, config: Config): Model {
  const image = clipImageToken(checkpoint);
  const shape = clipShape(config);
  const g = new GraphBuilder('vision');
  const x = clipTower(g, clipWeights(checkpoint), shape);
  g.output('features', project(g, x, projectorWeights(checkpoint), config, true));
  const processor = clipImageProcessor(checkpoint, {
    patch: shape.patch_size,
    placeholder: (tokens) => imageTokens(image, tokens),
    symbols: clipSymbols,
    tables: clipTables,
  });
  return mistralVisionModel(checkpoint, { vision: g.finish(), processor }, image);
}

export const clipWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(
    checkpoint,
    [
      'vision_tower.vision_model.',
      'model.vision_tower.vision_model.',
      'model.vision_tower.',
      'vision_tower.',
    ],
    'embeddings.patch_embedding',
  );

export const clipImageToken = (checkpoint: Checkpoint): string =>
  new Config(checkpoint.processor, 'processor_config.json').string('image_token', '<image>');

function visionEncoder(checkpoint: Checkpoint, config: Config): Program {
  const g = new GraphBuilder('vision');
  const x = pixtralTower(
    g,
    pixtralConfig(config),
    pixtralWeights(checkpoint),
    config.number('vision_feature_layer', -1),
  );
  g.output('features', project(g, x, projectorWeights(checkpoint), config, true));
  return g.finish();
}

const textWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['language_model.model.', 'model.language_model.'], 'embed_tokens');

/** Mistral's or Llama's decoder behind a vision encoder; `image`: the token of images. */
export function mistralVisionModel(
  checkpoint: Checkpoint,
  parts: Pick<Model, 'vision' | 'processor'>,
  image: string,
): Model {
  const config = new Config(checkpoint.config, 'config.json');
  const text = mistralConfig(config);
  return {
    ...parts,
    modelType: config.string('model_type'),
    decoder: mistralDecoder(checkpoint, config, text),
    positionAxes: 1,
    imagePlaceholder: image,
    imageToken: image,
    imageTokenId: imageTokenId(checkpoint, image, 'image_token_index', 'image_token_id'),
    visibility: 'causal',
    eosTokenIds: stopTokenIds(checkpoint),
    boxes: null,
    contextLength: contextLength(text),
  };
}

function mistralDecoder(checkpoint: Checkpoint, config: Config, text: Config): Program {
  const kind = text.string('model_type', 'mistral');
  if (!['mistral', 'ministral3', 'llama'].includes(kind)) {
    throw new AfterimageError(
      'MODEL_UNSUPPORTED',
      `The text model "${kind}" is not supported here; mistral, ministral3 and llama are.`,
    );
  }
  const g = new GraphBuilder('decoder');
  const w = textWeights(checkpoint);
  const head = weightModule(checkpoint, ['lm_head', 'language_model.lm_head']);
  const shape = llamaShape(text, { window: text.number('sliding_window', 0) });
  const tied = config.boolean('tie_word_embeddings', text.boolean('tie_word_embeddings', !head.exists));
  llamaDecoder(
    g,
    w,
    tied ? w('embed_tokens') : head,
    { ...shape, vocab_size: w('embed_tokens').shape?.[0] ?? shape.vocab_size }, // files may state fewer
    {
      rope: ropeSettings(text, { theta: 10000 }),
    },
  );
  return g.finish();
}

/** Ministral 3 also scales queries, by 1 up to its original context: longer prompts are not offered. */
function contextLength(text: Config): number {
  const most = text.count('max_position_embeddings', 131072);
  const { scaling } = ropeSettings(text, { theta: 10000 });
  return scaling.has('llama_4_scaling_beta')
    ? Math.min(most, scaling.count('original_max_position_embeddings'))
    : most;
}
