// InternVL 3 and 3.5: Zhu et al. 2025, https://arxiv.org/abs/2504.10479. InternViT, 2 × 2 patches to a token, Qwen2 or Qwen3;
// in Hugging Face's layout, or in that of the publisher's own code (internvl_chat), which MLX keeps.
import { AfterimageError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import {
  renamedScope,
  storedUnder,
  weightModule,
  weightScope,
  type WeightScope,
} from './checkpoint/weights.js';
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
  modelTypes: ['internvl', 'internvl_chat'],
  bestAt: 'general',
  checkpoints: [
    { name: 'OpenGVLab/InternVL3-2B-hf', parameters: 2_088_957_440, towerParameters: 304_012_288 },
    { name: 'OpenGVLab/InternVL3-8B-hf', parameters: 7_944_373_760, towerParameters: 304_012_288 },
    { name: 'OpenGVLab/InternVL3_5-2B-HF', parameters: 2_348_347_392, towerParameters: 304_012_288 },
    { name: 'OpenGVLab/InternVL3_5-4B-HF', parameters: 4_732_489_216, towerParameters: 304_012_288 },
    { name: 'OpenGVLab/InternVL3_5-8B-HF', parameters: 8_528_318_464, towerParameters: 304_012_288 },
  ],
  build(checkpoint) {
    const config = statedConfig(new Config(checkpoint.config, 'config.json'));
    const text = config.section('text_config');
    const vision = internVitShape(config.section('vision_config'), config.number('vision_feature_layer', -1));
    const merge = Math.round(1 / config.number('downsample_ratio', 0.5));
    return {
      modelType: 'internvl',
      vision: visionEncoder(checkpoint, vision, text.count('hidden_size'), merge, config),
      decoder: decoder(checkpoint, text),
      processor: internImageProcessor(checkpoint, {
        patch: vision.patch_size,
        most: config.count('max_dynamic_patch', 12),
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

/** What the publisher's own code calls otherwise. */
function statedConfig(config: Config): Config {
  if (config.string('model_type') !== 'internvl_chat') return config;
  if (config.string('ps_version', 'v2') !== 'v2') {
    throw new AfterimageError(
      'MODEL_UNSUPPORTED',
      'InternVL of the first generation ("ps_version" "v1") is not supported; OpenGVLab/InternVL3-8B-hf is.',
    );
  }
  const vision = config.section('vision_config');
  return new Config(
    {
      ...config.raw(),
      text_config: config.section('llm_config').raw(),
      vision_config: {
        ...vision.raw(),
        attention_bias: vision.boolean('qkv_bias', true),
        use_qk_norm: vision.boolean('qk_normalization', false),
        norm_type: vision.string('norm_type', 'layer_norm'),
      },
      vision_feature_layer: config.number('select_layer', -1),
    },
    config.where,
  );
}

const CHAT_NAMES = [
  [/^embeddings\.cls_token$/, 'embeddings.class_embedding'],
  [/^embeddings\.position_embeddings$/, 'embeddings.position_embedding'],
  [/^embeddings\.patch_embeddings\.projection$/, 'embeddings.patch_embedding'],
  [/^encoder\.layer\.(\d+)\.attention\.[qkv]_proj$/, 'encoder.layers.$1.attn.qkv'],
  [/^encoder\.layer\.(\d+)\.attention\.projection_layer$/, 'encoder.layers.$1.attn.proj'],
  [/^encoder\.layer\.(\d+)\.attention\./, 'encoder.layers.$1.attn.'],
  [/^encoder\.layer\.(\d+)\.layernorm_before$/, 'encoder.layers.$1.norm1'],
  [/^encoder\.layer\.(\d+)\.layernorm_after$/, 'encoder.layers.$1.norm2'],
  [/^encoder\.layer\.(\d+)\.lambda_/, 'encoder.layers.$1.ls'],
  [/^encoder\.layer\./, 'encoder.layers.'],
] as const;
const CHAT_PROJECTOR = [
  [/^layer_norm$/, '0'],
  [/^linear_1$/, '1'],
  [/^linear_2$/, '3'],
] as const;

function towerWeights(checkpoint: Checkpoint, width: number): WeightScope {
  const theirs = 'vision_model.embeddings.class_embedding';
  if (!storedUnder(checkpoint, theirs))
    return weightScope(checkpoint, ['vision_tower.', 'model.vision_tower.'], 'embeddings.cls_token');
  const scope = weightScope(checkpoint, ['vision_model.'], 'embeddings.class_embedding');
  return renamedScope(checkpoint, scope, CHAT_NAMES, width);
}

function projector(checkpoint: Checkpoint): WeightScope {
  if (!storedUnder(checkpoint, 'mlp1.1')) return projectorWeights(checkpoint);
  return renamedScope(checkpoint, weightScope(checkpoint, ['mlp1.'], '1'), CHAT_PROJECTOR, 0);
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
  const tower = towerWeights(checkpoint, shape.hidden_size);
  const w = projector(checkpoint);
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
