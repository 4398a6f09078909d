// InternVL 3 and 3.5 in Hugging Face's layout: Zhu et al. 2025, https://arxiv.org/abs/2504.10479. InternViT, 2 × 2 patches to
// a token, Qwen2 or Qwen3.
import { AfterimageError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { weightModule, weightScope } from './checkpoint/weights.js';
import { llamaDecoder, llamaShape } from './decoders/llama.js';
import type { Family, NamedTensor } from './family.js';
import { internImageProcessor } from './processors/intern-image.js';
import { indexTensor } from './processors/pixels.js';
import { imageTokens } from './processors/placeholder.js';
import { blockOrder } from './processors/square-frames.js';
import { ropeSettings } from './rope.js';
import { clipSymbols, clipTables } from './towers/clip.js';
import { internVitShape, internVitTower, type InternVitShape } from './towers/intern-vit.js';
import { projectorWeights } from './towers/pixtral.js';

const IMAGE_TOKEN = '<IMG_CONTEXT>';
/** Of torch's class; no setting says it. */
const PROJECTOR_EPS = 1e-5;
const TEXT_MODELS = ['qwen2', 'qwen3', 'llama'];

export const internVl: Family = {
  modelTypes: ['internvl'],
  bestAt: 'general',
  checkpoints: [
    { name: 'OpenGVLab/InternVL3-2B-hf', parameters: 2_088_957_440, towerParameters: 304_012_288 },
    { name: 'OpenGVLab/InternVL3-8B-hf', parameters: 7_944_373_760, towerParameters: 304_012_288 },
    { name: 'OpenGVLab/InternVL3_5-2B-HF', parameters: 2_348_347_392, towerParameters: 304_012_288 },
    { name: 'OpenGVLab/InternVL3_5-4B-HF', parameters: 4_732_489_216, towerParameters: 304_012_288 },
    { name: 'OpenGVLab/InternVL3_5-8B-HF', parameters: 8_528_318_464, towerParameters: 304_012_288 },
  ],
  build(checkpoint) {
    const config = new Config(checkpoint.config, 'config.json');
    const text = config.section('text_config');
    const vision = internVitShape(config.section('vision_config'), config.number('vision_feature_layer', -1));
    const merge = Math.round(1 / config.number('downsample_ratio', 0.5));
    return {
      modelType: 'internvl',
      vision: visionEncoder(checkpoint, vision, text.count('hidden_size'), merge, config),
      decoder: decoder(checkpoint, text),
      processor: internImageProcessor(checkpoint, {
        patch: vision.patch_size,
        tokensPerTile: (vision.image_size / vision.patch_size / merge) ** 2,
        placeholder: (tokens) => `<img>${imageTokens(IMAGE_TOKEN, tokens)}</img>`,
        symbols: clipSymbols,
        tables: (frames, side) => tablesOf(frames, side, merge),
      }),
      positionAxes: 1,
      imagePlaceholder: IMAGE_TOKEN,
      imageToken: IMAGE_TOKEN,
      imageTokenId: imageTokenId(checkpoint, IMAGE_TOKEN, 'image_token_id'),
      visibility: 'causal',
      eosTokenIds: stopTokenIds(checkpoint, '<|im_end|>', '<|endoftext|>'),
      boxes: null,
      contextLength: text.count('max_position_embeddings', 32768),
    };
  },
};

/** CLIP's, with the patches of a token together. */
function tablesOf(frames: number, side: number, merge: number): Record<string, NamedTensor> {
  const area = side * side;
  const cell = (patch: number): number => patch + Math.floor(patch / area) + 1;
  return { ...clipTables(frames, side), kept_rows: indexTensor(blockOrder(frames, side, merge).map(cell)) };
}

function visionEncoder(
  checkpoint: Checkpoint,
  shape: InternVitShape,
  hidden: number,
  merge: number,
  config: Config,
): Program {
  const strategy = config.string('vision_feature_select_strategy', 'default');
  if (strategy !== 'default') {
    throw new AfterimageError(
      'MODEL_UNSUPPORTED',
      `"vision_feature_select_strategy" "${strategy}" is not supported with InternVL; "default" is.`,
    );
  }
  const g = new GraphBuilder('vision');
  const tower = weightScope(checkpoint, ['vision_tower.', 'model.vision_tower.'], 'embeddings.cls_token');
  const w = projectorWeights(checkpoint);
  const blocks = g.regroup(internVitTower(g, tower, shape), merge * merge); // [tokens, merge²·width]
  const inner = g.linear(g.layerNorm(blocks, w('layer_norm'), PROJECTOR_EPS), w('linear_1'), hidden, {
    bias: true,
  });
  g.output('features', g.linear(g.activation(inner, 'gelu'), w('linear_2'), hidden, { bias: true }));
  return g.finish();
}

function decoder(checkpoint: Checkpoint, text: Config): Program {
  const kind = text.string('model_type', 'qwen2');
  if (!TEXT_MODELS.includes(kind)) {
    throw new AfterimageError(
      'MODEL_UNSUPPORTED',
      `InternVL with the text model "${kind}" is not supported; with ${TEXT_MODELS.join(', ')} it is: OpenGVLab/InternVL3_5-4B-HF.`,
    );
  }
  const g = new GraphBuilder('decoder');
  const w = weightScope(checkpoint, ['language_model.model.', 'model.language_model.'], 'embed_tokens');
  // What the class says of tied heads is not what files hold.
  const stored = weightModule(checkpoint, ['language_model.lm_head', 'lm_head']);
  const shape = llamaShape(text, {
    qkNorm: kind === 'qwen3',
    qkvBias: kind === 'qwen2' || text.boolean('attention_bias', false),
  });
  llamaDecoder(g, w, stored.exists ? stored : w('embed_tokens'), shape, {
    rope: ropeSettings(text, { theta: 10000 }),
  });
  return g.finish();
}
