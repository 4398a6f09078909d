// Idefics3 (Laurençon et al. 2024, https://arxiv.org/abs/2408.12637) and SmolVLM (Marafioti et al. 2025,
// https://arxiv.org/abs/2504.05299): a SigLIP tower over tiles, pixel shuffle, one projection, a Llama decoder.
import { GraphBuilder, rowsOf } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import type { Family, Model } from './family.js';
import { llamaDecoder, llamaShape } from './decoders/llama.js';
import { splitImageProcessor } from './processors/split-image.js';
import { ropeSettings } from './rope.js';
import { siglipShape, siglipTower, type SiglipShape } from './towers/siglip.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { weightModule, weightScope, type WeightScope } from './checkpoint/weights.js';
import { imageTokens } from './processors/placeholder.js';

const IMAGE_TOKEN = '<image>';
const FAKE_TOKEN = '<fake_token_around_image>';
const GLOBAL_IMAGE = '<global-img>';

export const idefics3: Family = {
  modelTypes: ['idefics3', 'smolvlm'],
  bestAt: 'small and quick',
  checkpoints: [
    { name: 'HuggingFaceTB/SmolVLM-256M-Instruct', parameters: 256_484_928, towerParameters: 86_433_024 },
    { name: 'HuggingFaceTB/SmolVLM-500M-Instruct', parameters: 507_482_304, towerParameters: 86_433_024 },
    { name: 'HuggingFaceTB/SmolVLM2-2.2B-Instruct', parameters: 2_246_784_880, towerParameters: 412_987_248 },
  ],
  build(checkpoint): Model {
    const config = new Config(checkpoint.config, 'config.json');
    const text = textConfig(config);
    const vision = visionShape(config.section('vision_config'));
    const side = Math.floor(config.section('vision_config').count('image_size') / vision.patch_size);
    const block = config.count('scale_factor');
    const tokensPerFrame = new Config(checkpoint.processor, 'processor_config.json').count(
      'image_seq_len',
      (side / block) ** 2,
    );
    return {
      modelType: config.string('model_type'),
      vision: visionEncoder(checkpoint, vision, side, block, text.count('hidden_size')),
      decoder: decoder(checkpoint),
      processor: splitImageProcessor(checkpoint, {
        patch: vision.patch_size,
        block,
        tokensPerFrame,
        placeholder: (rows, columns) => placeholder(rows, columns, tokensPerFrame),
      }),
      positionAxes: 1,
      imagePlaceholder: IMAGE_TOKEN,
      imageToken: IMAGE_TOKEN,
      imageTokenId: imageTokenId(checkpoint, IMAGE_TOKEN, 'image_token_id'),
      visibility: 'causal',
      eosTokenIds: stopTokenIds(checkpoint, '<end_of_utterance>'),
      boxes: null,
      contextLength: text.count('max_position_embeddings', 8192),
    };
  },
};

// Names in Hugging Face's files and in MLX's, which have no inner `model.` here.
const visionWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['model.vision_model.', 'vision_model.'], 'embeddings.patch_embedding');
const connectorWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['model.connector.', 'connector.'], 'modality_projection.proj');
const textWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['model.text_model.', 'language_model.', 'model.language_model.'], 'embed_tokens');

/** Llama's sizes are the class defaults of the text part. */
const textConfig = (config: Config): Config =>
  config.section('text_config').withDefaults({
    vocab_size: 32000,
    hidden_size: 4096,
    intermediate_size: 11008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
  });

/** Files leave out what their class had as default, and the classes differed between the sizes. */
function visionShape(vision: Config): SiglipShape {
  const hidden_size = vision.count('hidden_size', 1152);
  const small = hidden_size <= 768;
  return {
    ...siglipShape(vision),
    hidden_size,
    intermediate_size: vision.count('intermediate_size', small ? 3072 : 4304),
    num_hidden_layers: vision.parts('num_hidden_layers', small ? 12 : 27),
    num_attention_heads: vision.count(
      'num_attention_heads',
      hidden_size % 64 === 0 && small ? hidden_size / 64 : 16,
    ),
  };
}

/** Text for one image: each tile behind its row and column, a line break after each row of tiles, the whole image last. */
function placeholder(rows: number, columns: number, tokensPerFrame: number): string {
  const frame = imageTokens(IMAGE_TOKEN, tokensPerFrame);
  let text = '';
  for (let row = 1; row <= rows; row++) {
    for (let column = 1; column <= columns; column++)
      text += `${FAKE_TOKEN}<row_${row}_col_${column}>${frame}`;
    text += '\n';
  }
  return `${text}${rows > 0 ? '\n' : ''}${FAKE_TOKEN}${GLOBAL_IMAGE}${frame}${FAKE_TOKEN}`;
}

function visionEncoder(
  checkpoint: Checkpoint,
  shape: SiglipShape,
  side: number,
  block: number,
  hidden: number,
): Program {
  const g = new GraphBuilder('vision');
  const x = siglipTower(g, visionWeights(checkpoint), shape, side * side); // [patches, width]
  const order = g.input('block_order', { rows: rowsOf('patches'), width: 1, dtype: 'i32' });
  const shuffled = g.regroup(g.gatherRows(x, order), block * block); // [tokens, block²·width]
  g.output('features', g.linear(shuffled, connectorWeights(checkpoint)('modality_projection.proj'), hidden));
  return g.finish();
}

function decoder(checkpoint: Checkpoint): Program {
  const g = new GraphBuilder('decoder');
  const config = new Config(checkpoint.config, 'config.json');
  const text = textConfig(config);
  const w = textWeights(checkpoint);
  // text_config may say "tied" although the head is stored: what is stored counts.
  const head = weightModule(checkpoint, ['lm_head', 'language_model.lm_head']);
  const tied = config.boolean('tie_word_embeddings', false) || text.boolean('tie_word_embeddings', false);
  llamaDecoder(
    g,
    w,
    !head.exists && tied ? w('embed_tokens') : head,
    llamaShape(text, { rms_norm_eps: 1e-5 }),
    {
      rope: ropeSettings(text, { theta: 10000 }),
    },
  );
  return g.finish();
}
