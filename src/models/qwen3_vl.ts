// Qwen3-VL: Bai et al. 2025, https://arxiv.org/abs/2511.21631
import { GraphBuilder } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import type { Family } from './family.js';
import { llamaDecoder, llamaShape, type LlamaOptions } from './decoders/llama.js';
import { qwenModel, textWeights, visionWeights } from './qwen2_vl.js';
import { qwen3Processor, qwen3VisionConfig, qwen3VisionEncoder } from './towers/qwen3.js';
import { interleavedAxes, ropeSettings } from './rope.js';
import { outputHead } from './checkpoint/weights.js';

export const qwen3Vl: Family = {
  modelTypes: ['qwen3_vl'],
  bestAt: 'screens, pointing, reading',
  checkpoints: [
    { name: 'Qwen/Qwen3-VL-2B-Instruct', parameters: 2_127_532_032, towerParameters: 406_957_056 },
    { name: 'Qwen/Qwen3-VL-4B-Instruct', parameters: 4_437_815_808, towerParameters: 415_347_712 },
    { name: 'Qwen/Qwen3-VL-8B-Instruct', parameters: 8_767_123_696, towerParameters: 576_388_336 },
  ],
  build: (checkpoint) => qwen3Model(checkpoint, 'qwen3_vl'),
};

/** Of the configuration class. */
const DEEPSTACK_BLOCKS = [8, 16, 24];

export function qwen3Model(
  checkpoint: Checkpoint,
  modelType: string,
  layer?: LlamaOptions['layer'],
): ReturnType<Family['build']> {
  const config = new Config(checkpoint.config, 'config.json');
  const vision = qwen3VisionConfig(config, DEEPSTACK_BLOCKS);
  return qwenModel(checkpoint, {
    modelType,
    vision: qwen3VisionEncoder(
      vision,
      config.section('text_config').count('hidden_size'),
      visionWeights(checkpoint),
    ),
    decoder: decoder(checkpoint, layer),
    processor: qwen3Processor(checkpoint, vision),
    boxes: { scale: 'relative-1000', lines: true },
  });
}

/** Qwen3 with M-RoPE whose axes alternate over the frequencies; DeepStack features join after the first layers. */
function decoder(checkpoint: Checkpoint, layer?: LlamaOptions['layer']): Program {
  const g = new GraphBuilder('decoder');
  const config = new Config(checkpoint.config, 'config.json');
  const text = config.section('text_config');
  const w = textWeights(checkpoint);
  const rope = ropeSettings(text);
  const shape = llamaShape(text, { qkNorm: true, qkvBias: text.boolean('attention_bias', false) });
  const tied = config.boolean('tie_word_embeddings', text.boolean('tie_word_embeddings', false));
  llamaDecoder(g, w, outputHead(checkpoint, w('embed_tokens'), tied), shape, {
    positionAxes: 3,
    deepstack: qwen3VisionConfig(config, DEEPSTACK_BLOCKS).numbers('deepstack_visual_indexes').length,
    rope,
    ropeAxes: interleavedAxes(rope.scaling.numbers('mrope_section'), shape.head_dim / 2),
    afterLayer: (x, frame, i) => {
      const features = frame.deepstack[i];
      return features ? g.addRows(x, features, frame.featureIndex) : x;
    },
    ...(layer && { layer }),
  });
  return g.finish();
}
