// LocateAnything: NVIDIA 2026, https://huggingface.co/nvidia/LocateAnything-3B. MoonViT, a norm over merged patches, and
// Qwen2.5's decoder, read token by token: its decoding of whole boxes at once is not. No class of it was at hand: its
// goldens rest on those of its parts and on published descriptions.
import { GraphBuilder } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { weightModule, weightScope } from './checkpoint/weights.js';
import { llamaDecoder, llamaShape } from './decoders/llama.js';
import type { Family, Processor } from './family.js';
import { kimiImageProcessor, kimiVlSize } from './processors/kimi-image.js';
import { ropeSettings } from './rope.js';
import { mergedPatches, moonVit, moonVitShape, moonVitTables, type MoonVitShape } from './towers/moonvit.js';

const IMAGE_TOKEN = '<IMG_CONTEXT>';
const LAYER_NORM_EPS = 1e-5;

export const locateAnything: Family = {
  modelTypes: ['locateanything'],
  bestAt: 'pointing',
  checkpoints: [
    { name: 'nvidia/LocateAnything-3B', parameters: 3_517_975_280, towerParameters: 430_510_832 },
  ],
  build(checkpoint) {
    const config = new Config(checkpoint.config, 'config.json');
    const text = config.section('text_config');
    const shape = moonVitShape(config.section('vision_config'));
    return {
      modelType: 'locateanything',
      vision: visionEncoder(checkpoint, shape, text.count('hidden_size')),
      decoder: decoder(checkpoint, text),
      processor: processor(new Config(checkpoint.imageProcessor, 'preprocessor_config.json'), shape),
      positionAxes: 1,
      imagePlaceholder: IMAGE_TOKEN,
      imageToken: IMAGE_TOKEN,
      imageTokenId: imageTokenId(checkpoint, IMAGE_TOKEN, 'image_token_index', 'image_token_id'),
      templateImage: { pattern: '<image-\\{\\{[^}]*\\}\\}>', instead: IMAGE_TOKEN },
      visibility: 'causal',
      eosTokenIds: stopTokenIds(checkpoint, '<|im_end|>'),
      boxes: { scale: 'relative-1000', lines: false },
      contextLength: text.count('max_position_embeddings', 32768),
    };
  },
};

function processor(settings: Config, c: MoonVitShape): Processor {
  const unit = c.patch * c.merge;
  return kimiImageProcessor(settings, {
    imageToken: IMAGE_TOKEN,
    resized: kimiVlSize(c.patch, settings.count('in_token_limit', 25600), unit),
    resampler: 'pillow',
    fit: 'stretch',
    patch: c.patch,
    merge: c.merge,
    marks: ['<img>', '</img>'],
    tables: (rows, columns) => moonVitTables(c, rows, columns),
  });
}

function visionEncoder(checkpoint: Checkpoint, c: MoonVitShape, hidden: number): Program {
  const g = new GraphBuilder('vision');
  const at = (ours: string, mlx: string) =>
    weightModule(checkpoint, [`mlp1.${ours}`, `multi_modal_projector.${mlx}`]);
  const merged = mergedPatches(g, moonVit(g, checkpoint, c), c.merge); // [tokens, merge²·width]
  const normed = g.layerNorm(merged, at('0', 'layer_norm'), LAYER_NORM_EPS);
  const inner = g.activation(g.linear(normed, at('1', 'linear_1'), hidden, { bias: true }), 'gelu');
  g.output('features', g.linear(inner, at('3', 'linear_2'), hidden, { bias: true }));
  return g.finish();
}

/** Qwen2 with tied embeddings; files hold the head once more. */
function decoder(checkpoint: Checkpoint, text: Config): Program {
  const g = new GraphBuilder('decoder');
  const w = weightScope(checkpoint, ['language_model.model.', 'model.language_model.'], 'embed_tokens');
  const tied = text.boolean('tie_word_embeddings', true);
  const head = tied ? w('embed_tokens') : weightModule(checkpoint, ['language_model.lm_head', 'lm_head']);
  llamaDecoder(g, w, head, llamaShape(text, { qkvBias: true }), {
    rope: ropeSettings(text, { theta: 1_000_000 }),
  });
  return g.finish();
}
