// PaliGemma (Beyer et al. 2024, https://arxiv.org/abs/2407.07726) and PaliGemma 2 (Steiner et al. 2024,
// https://arxiv.org/abs/2412.03555): image and prompt see each other; only the answer is causal.
import { GraphBuilder } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import type { Family, Model } from './family.js';
import { gemmaDecoder, gemmaSizes, type GemmaShape } from './decoders/gemma.js';
import { fixedSquareProcessor } from './processors/fixed-square.js';
import { ropeSettings } from './rope.js';
import { siglipShape, siglipTower } from './towers/siglip.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { weightScope, type WeightScope } from './checkpoint/weights.js';
import { imageTokens } from './processors/placeholder.js';

const IMAGE_TOKEN = '<image>';

export const paligemma: Family = {
  modelTypes: ['paligemma'],
  bestAt: 'captions, detection',
  checkpoints: [
    { name: 'google/paligemma-3b-mix-448', parameters: 2_924_351_216, towerParameters: 413_327_088 },
    { name: 'google/paligemma2-3b-mix-448', parameters: 3_033_127_152, towerParameters: 413_327_088 },
  ],
  build(checkpoint): Model {
    const config = new Config(checkpoint.config, 'config.json');
    const text = config.section('text_config');
    const vision = config.section('vision_config');
    const { patch_size } = siglipShape(vision);
    const tokens = (vision.count('image_size', 224) / patch_size) ** 2;
    return {
      modelType: 'paligemma',
      vision: visionEncoder(checkpoint, vision, tokens, text.count('hidden_size')),
      decoder: decoder(checkpoint),
      processor: fixedSquareProcessor(checkpoint, {
        patch: patch_size,
        tokensPerFrame: tokens,
        placeholder: () => imageTokens(IMAGE_TOKEN, tokens),
      }),
      positionAxes: 1,
      imagePlaceholder: IMAGE_TOKEN,
      imageToken: IMAGE_TOKEN,
      imageTokenId: imageTokenId(checkpoint, IMAGE_TOKEN, 'image_token_index', 'image_token_id'),
      visibility: 'prefix',
      eosTokenIds: stopTokenIds(checkpoint),
      boxes: { scale: 'relative-1024', lines: false },
      renderPrompt,
      contextLength: text.count('max_position_embeddings', 8192),
    };
  },
};

/** Begins a task that the model was trained on as the whole of its text. */
const TASK = /^detect /;

/** All images, the start token, the text of every turn and a line break. The model was trained on single turns. */
function renderPrompt(turns: { text: string; images: number }[]): string {
  const images = turns.reduce((sum, turn) => sum + turn.images, 0);
  const texts = turns.map((turn) => turn.text);
  const asked = TASK.test(texts.at(-1) ?? '') ? texts.slice(-1) : texts;
  return `${IMAGE_TOKEN.repeat(images)}<bos>${asked.join('\n')}\n`;
}

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
  weightScope(checkpoint, ['multi_modal_projector.', 'model.multi_modal_projector.'], 'linear');
const textWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['language_model.model.', 'model.language_model.'], 'embed_tokens');

function visionEncoder(checkpoint: Checkpoint, vision: Config, positions: number, hidden: number): Program {
  const g = new GraphBuilder('vision');
  const x = siglipTower(g, visionWeights(checkpoint), siglipShape(vision), positions); // [patches, width]
  g.output('features', g.linear(x, projectorWeights(checkpoint)('linear'), hidden, { bias: true }));
  return g.finish();
}

function decoder(checkpoint: Checkpoint): Program {
  const g = new GraphBuilder('decoder');
  const text = new Config(checkpoint.config, 'config.json').section('text_config');
  const w = textWeights(checkpoint);
  const shape = text.string('model_type', 'gemma') === 'gemma2' ? gemma2Shape(text) : gemmaShape(text);
  gemmaDecoder(g, w, w('embed_tokens'), shape);
  return g.finish();
}

function gemmaShape(text: Config): GemmaShape {
  const sizes = gemmaSizes(text, { heads: 8, kvHeads: 1, vocab_size: 257216 });
  const layers = sizes.num_hidden_layers;
  const rope = ropeSettings(text, { theta: 10000 });
  return {
    ...sizes,
    query_pre_attn_scalar: sizes.head_dim,
    sandwichNorms: false,
    qkNorm: false,
    attn_logit_softcapping: 0,
    final_logit_softcapping: 0,
    windows: new Array<number>(layers).fill(0),
    ropes: new Array<typeof rope>(layers).fill(rope),
  };
}

/** Every other layer, from the first, sees only a window. */
function gemma2Shape(text: Config): GemmaShape {
  const sizes = gemmaSizes(text, { heads: 8, kvHeads: 4, vocab_size: 257216 });
  const shape = gemmaShape(text);
  const window = text.count('sliding_window', 4096);
  return {
    ...shape,
    ...sizes,
    sandwichNorms: true,
    attn_logit_softcapping: text.number('attn_logit_softcapping', 50),
    final_logit_softcapping: text.number('final_logit_softcapping', 30),
    windows: shape.windows.map((_, i) => (i % 2 === 0 ? window : 0)),
  };
}
