// Gemma 3: Gemma team 2025, https://arxiv.org/abs/2503.19786. Tokens of one image see each other.
import { GraphBuilder, rowsOf } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import type { Family, Model, NamedTensor } from './family.js';
import { gemmaDecoder, gemmaSizes, type GemmaShape } from './decoders/gemma.js';
import { fixedSquareProcessor } from './processors/fixed-square.js';
import { floatTensor, indexTensor } from './processors/pixels.js';
import { blockOrder } from './processors/square-frames.js';
import { localRopeSettings, ropeSettings } from './rope.js';
import { siglipShape, siglipTower } from './towers/siglip.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { weightScope, type WeightScope } from './checkpoint/weights.js';
import { imageTokens } from './processors/placeholder.js';

const START_OF_IMAGE = '<start_of_image>';
const IMAGE_TOKEN = '<image_soft_token>';
const END_OF_IMAGE = '<end_of_image>';

export const gemma3: Family = {
  modelTypes: ['gemma3'],
  bestAt: 'general',
  checkpoints: [
    { name: 'google/gemma-3-4b-it', parameters: 4_300_079_472, towerParameters: 416_866_032 },
    { name: 'google/gemma-3-12b-it', parameters: 12_187_325_040, towerParameters: 416_866_032 },
    { name: 'google/gemma-3-27b-it', parameters: 27_432_406_640, towerParameters: 416_866_032 },
  ],
  build(checkpoint): Model {
    const config = new Config(checkpoint.config, 'config.json');
    const text = config.section('text_config');
    const vision = config.section('vision_config');
    const { patch_size } = siglipShape(vision);
    const side = vision.count('image_size', 224) / patch_size;
    const tokens = config.count('mm_tokens_per_image', 256);
    return {
      modelType: 'gemma3',
      vision: visionEncoder(checkpoint, vision, side, tokens, text.count('hidden_size')),
      decoder: decoder(checkpoint),
      processor: fixedSquareProcessor(checkpoint, {
        patch: patch_size,
        tokensPerFrame: tokens,
        placeholder: (frames) => placeholder(frames, tokens),
        tables: (frames) => poolTables(frames, side, tokens),
      }),
      positionAxes: 1,
      imagePlaceholder: START_OF_IMAGE,
      imageToken: IMAGE_TOKEN,
      imageTokenId: imageTokenId(checkpoint, IMAGE_TOKEN, 'image_token_index', 'image_token_id'),
      visibility: 'block',
      eosTokenIds: stopTokenIds(checkpoint, '<end_of_turn>'),
      boxes: null,
      contextLength: text.count('max_position_embeddings', 131072),
    };
  },
};

const VOCAB_SIZE = 262208;
const SLIDING_PATTERN = 6;

const visionWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(
    checkpoint,
    [
      'vision_tower.vision_model.',
      'model.vision_tower.',
      'model.vision_tower.vision_model.',
      'vision_tower.',
    ],
    'embeddings.patch_embedding',
  );
const projectorWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['multi_modal_projector.', 'model.multi_modal_projector.'], 'mm_soft_emb_norm');
const textWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['language_model.model.', 'model.language_model.'], 'embed_tokens');

/** Text for one image; its crops follow with a sentence that says what they are. */
function placeholder(frames: number, tokens: number): string {
  const frame = `\n\n${START_OF_IMAGE}${imageTokens(IMAGE_TOKEN, tokens)}${END_OF_IMAGE}\n\n`;
  if (frames === 1) return frame;
  const crops = Array<string>(frames - 1)
    .fill(frame)
    .join(' ');
  return `Here is the original image ${frame} and here are some crops to help you see better ${crops}`;
}

/** Each token is the mean of a block of patches. */
function poolTables(frames: number, side: number, tokens: number): Record<string, NamedTensor> {
  const taps = (side * side) / tokens;
  const order = blockOrder(frames, side, Math.sqrt(taps));
  return {
    pool_index: indexTensor(order, taps),
    pool_weight: floatTensor(
      order.map(() => 1 / taps),
      taps,
    ),
  };
}

function visionEncoder(
  checkpoint: Checkpoint,
  vision: Config,
  side: number,
  tokens: number,
  hidden: number,
): Program {
  const g = new GraphBuilder('vision');
  const shape = siglipShape(vision);
  const taps = (side * side) / tokens;
  const x = siglipTower(g, visionWeights(checkpoint), shape, side * side); // [patches, width]
  const index = g.input('pool_index', { rows: rowsOf('tokens'), width: taps, dtype: 'i32' });
  const weight = g.input('pool_weight', { rows: rowsOf('tokens'), width: taps });
  const pooled = g.weightedRows(x, index, weight); // [tokens, width]
  const w = projectorWeights(checkpoint);
  const norm = w('mm_soft_emb_norm');
  const weightOffset = norm.holdsOnePlus ? 0 : 1;
  const normed = g.rmsNorm(pooled, norm, shape.layer_norm_eps, { weightOffset });
  g.output(
    'features',
    g.matmul(normed, w('mm_input_projection_weight').transposed(hidden, shape.hidden_size)),
  );
  return g.finish();
}

function decoder(checkpoint: Checkpoint): Program {
  const g = new GraphBuilder('decoder');
  const text = new Config(checkpoint.config, 'config.json').section('text_config');
  const w = textWeights(checkpoint);
  gemmaDecoder(g, w, w('embed_tokens'), gemma3Shape(text));
  return g.finish();
}

function gemma3Shape(text: Config): GemmaShape {
  const sizes = gemmaSizes(text, { heads: 8, kvHeads: 4, vocab_size: VOCAB_SIZE });
  const sliding = slidingLayers(text, sizes.num_hidden_layers);
  const window = text.count('sliding_window', 4096);
  const everywhere = ropeSettings(text, { layerType: 'full_attention', theta: 1e6 });
  const nearby = localRopeSettings(text);
  return {
    ...sizes,
    query_pre_attn_scalar: text.number('query_pre_attn_scalar', 256),
    sandwichNorms: true,
    qkNorm: true,
    attn_logit_softcapping: 0,
    final_logit_softcapping: 0,
    windows: sliding.map((local) => (local ? window : 0)),
    ropes: sliding.map((local) => (local ? nearby : everywhere)),
  };
}

function slidingLayers(text: Config, layers: number): boolean[] {
  if (text.has('layer_types')) return text.strings('layer_types').map((type) => type === 'sliding_attention');
  const pattern = text.count(
    text.spelling('sliding_window_pattern', '_sliding_window_pattern'),
    SLIDING_PATTERN,
  );
  return Array.from({ length: layers }, (_, i) => (i + 1) % pattern !== 0);
}
