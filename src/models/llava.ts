// LLaVA (Liu et al. 2023, https://arxiv.org/abs/2304.08485) with a Pixtral tower: Pixtral 12B
// (Agrawal et al. 2024, https://arxiv.org/abs/2410.07073).
import { AfterimageError } from '../errors.js';
import { GraphBuilder, type ActivationName, type Value } from '../graph/builder.js';
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
  projectorWeights,
} from './towers/pixtral.js';
import { pixtralImageProcessor, pixtralMarkers } from './processors/pixtral-image.js';
import { ropeSettings } from './rope.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { weightModule, weightScope, type WeightScope } from './checkpoint/weights.js';

export const llava: Family = {
  modelTypes: ['llava', 'pixtral'],
  checkpoints: [
    { name: 'mistral-community/pixtral-12b', parameters: 12_682_739_712, towerParameters: 403_489_792 },
  ],
  build(checkpoint): Model {
    const config = new Config(checkpoint.config, 'config.json');
    const vision = pixtralConfig(config);
    const tower = vision.string('model_type', 'pixtral');
    if (tower !== 'pixtral') {
      throw new AfterimageError(
        'MODEL_UNSUPPORTED',
        `LLaVA with the vision tower "${tower}" is not supported; LLaVA with a Pixtral tower is.`,
      );
    }
    return mistralVisionModel(checkpoint, {
      vision: visionEncoder(checkpoint, config),
      processor: pixtralImageProcessor(checkpoint, { patch: vision.count('patch_size'), merge: 1 }),
    });
  },
};

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

/** linear → activation → linear. [tokens, width] → [tokens, hidden] */
export function project(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  config: Config,
  biasByDefault: boolean,
): Value {
  const hidden = mistralConfig(config).count('hidden_size');
  const bias = config.boolean('multimodal_projector_bias', biasByDefault);
  const inner = g.activation(
    g.linear(x, w('linear_1'), hidden, { bias }),
    config.string('projector_hidden_act', 'gelu') as ActivationName,
  );
  return g.linear(inner, w('linear_2'), hidden, { bias });
}

const textWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['language_model.model.', 'model.language_model.'], 'embed_tokens');

/** Mistral's decoder behind any vision encoder of Pixtral's kind. */
export function mistralVisionModel(
  checkpoint: Checkpoint,
  parts: Pick<Model, 'vision' | 'processor'>,
): Model {
  const config = new Config(checkpoint.config, 'config.json');
  const text = mistralConfig(config);
  const { image } = pixtralMarkers(checkpoint);
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
  const tied = config.boolean('tie_word_embeddings', text.boolean('tie_word_embeddings', !head.exists));
  llamaDecoder(
    g,
    w,
    tied ? w('embed_tokens') : head,
    llamaShape(text, { rms_norm_eps: 1e-5, window: text.number('sliding_window', 0) }),
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
