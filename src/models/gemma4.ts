// Gemma 4: Gemma team 2026. E2B and E4B: an input per layer, shared keys and values, images seen causally. 26B-A4B:
// experts. 31B: dense. Its audio tower and audio are not read.
import { GraphBuilder } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { weightScope, type WeightScope } from './checkpoint/weights.js';
import { gemma4Decoder, gemma4Shape } from './decoders/gemma4.js';
import type { Family, Model } from './family.js';
import { gemma4ImageProcessor, plainResize } from './processors/gemma4-image.js';
import { gemma4Tables, gemma4Tower, gemma4TowerShape } from './towers/gemma4.js';
import { imageTokens } from './processors/placeholder.js';

const IMAGE_TOKEN = '<|image|>';
const [START_OF_IMAGE, END_OF_IMAGE] = ['<|image>', '<image|>'];

export const gemma4: Family = {
  modelTypes: ['gemma4'],
  bestAt: 'general; screens with --image-tokens 1120',
  checkpoints: [
    { name: 'google/gemma-4-E2B-it', parameters: 5_104_298_467, towerParameters: 472_190_144 },
    { name: 'google/gemma-4-E4B-it', parameters: 7_941_101_802, towerParameters: 472_190_144 },
    { name: 'google/gemma-4-26B-A4B-it', parameters: 25_805_936_206, towerParameters: 569_550_384 },
    { name: 'google/gemma-4-31B-it', parameters: 31_273_088_876, towerParameters: 569_550_384 },
    { name: 'mlx-community/gemma-4-e2b-it-4bit', parameters: 5_104_298_467, towerParameters: 472_190_144 },
    { name: 'mlx-community/gemma-4-e4b-it-4bit', parameters: 7_941_101_802, towerParameters: 472_190_144 },
    {
      name: 'mlx-community/gemma-4-26b-a4b-it-4bit',
      parameters: 25_805_936_206,
      towerParameters: 569_550_384,
    },
  ],
  build(checkpoint): Model {
    const config = new Config(checkpoint.config, 'config.json');
    const { positions } = gemma4TowerShape(config.section('vision_config'));
    return gemma4Model(checkpoint, {
      modelType: 'gemma4',
      vision: visionEncoder(checkpoint, config),
      processor: gemma4ImageProcessor(checkpoint, {
        merged: false,
        resize: plainResize,
        placeholder: gemma4Placeholder,
        symbols: (patches, tokens) => ({ patches, tokens, segments: 2 }),
        tables: (grid, pool) => gemma4Tables(grid, pool, positions),
      }),
    });
  },
};

export const gemma4Placeholder = (tokens: number): string =>
  `${START_OF_IMAGE}${imageTokens(IMAGE_TOKEN, tokens)}${END_OF_IMAGE}`;

const textWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['model.language_model.', 'language_model.model.'], 'embed_tokens');
const towerWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['model.vision_tower.', 'vision_tower.'], 'patch_embedder.input_proj');
const embedderWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['model.embed_vision.', 'embed_vision.'], 'embedding_projection');

function visionEncoder(checkpoint: Checkpoint, config: Config): Program {
  const g = new GraphBuilder('vision');
  const shape = gemma4TowerShape(config.section('vision_config'));
  const x = gemma4Tower(g, towerWeights(checkpoint), shape); // [tokens, width]
  const hidden = config.section('text_config').count('hidden_size');
  const w = embedderWeights(checkpoint);
  g.output('features', g.linear(g.rmsNorm(x, null, shape.eps), w('embedding_projection'), hidden));
  return g.finish();
}

/** The decoder and prompt of every Gemma 4. */
export function gemma4Model(
  checkpoint: Checkpoint,
  parts: Pick<Model, 'modelType' | 'vision' | 'processor'>,
): Model {
  const text = new Config(checkpoint.config, 'config.json').section('text_config');
  const image = imageTokenId(checkpoint, IMAGE_TOKEN, 'image_token_id');
  const g = new GraphBuilder('decoder');
  gemma4Decoder(g, textWeights(checkpoint), text, image);
  return {
    ...parts,
    decoder: g.finish(),
    positionAxes: 1,
    imagePlaceholder: IMAGE_TOKEN,
    imageToken: IMAGE_TOKEN,
    imageTokenId: image,
    visibility: gemma4Shape(text).blocks ? 'block' : 'causal',
    eosTokenIds: stopTokenIds(checkpoint, '<turn|>'),
    boxes: null,
    contextLength: text.count('max_position_embeddings'),
  };
}
