// Qwen3-VL with experts: 30B-A3B and 235B-A22B. All but the MLP is Qwen3-VL's.
import type { GraphBuilder, Value } from '../graph/builder.js';
import { Config } from './checkpoint/config.js';
import { routedExperts, type ExpertShape } from './decoders/experts.js';
import type { Family } from './family.js';
import { gatedMlp, llamaAttention, type LlamaShape } from './decoders/llama.js';
import { qwen3Model } from './qwen3_vl.js';
import type { WeightScope } from './checkpoint/weights.js';

export const qwen3VlMoe: Family = {
  modelTypes: ['qwen3_vl_moe'],
  bestAt: 'screens, pointing, reading',
  checkpoints: [
    { name: 'Qwen/Qwen3-VL-30B-A3B-Instruct', parameters: 31_070_754_032, towerParameters: 538_631_408 },
  ],
  build(checkpoint) {
    const text = new Config(checkpoint.config, 'config.json').section('text_config');
    const shape = expertShape(text);
    const isSparse = sparseLayers(text);
    return qwen3Model(checkpoint, 'qwen3_vl_moe', (g, x, w, c, rope, i) =>
      layer(g, x, w, c, rope, i, isSparse(i) ? shape : null),
    );
  },
};

function expertShape(text: Config): ExpertShape {
  return {
    experts: text.parts('num_experts'),
    inner: text.count('moe_intermediate_size'),
    route: {
      k: text.count('num_experts_per_tok'),
      score: 'softmax',
      normalize: text.boolean('norm_topk_prob', true),
    },
    transposed: true,
  };
}

function sparseLayers(text: Config): (i: number) => boolean {
  const dense = text.numbers('mlp_only_layers', []);
  const step = text.count('decoder_sparse_step', 1);
  return (i) => !dense.includes(i) && (i + 1) % step === 0;
}

/** x[rows, hidden] → x[rows, hidden] */
function layer(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  c: LlamaShape,
  rope: Value,
  i: number,
  experts: ExpertShape | null,
): Value {
  const a = g.rmsNorm(x, w('input_layernorm'), c.rms_norm_eps);
  const attended = g.add(x, llamaAttention(g, a, w, c, rope, i));
  const f = g.rmsNorm(attended, w('post_attention_layernorm'), c.rms_norm_eps);
  const mixed = experts
    ? routedExperts(g, f, w, experts)
    : gatedMlp(g, f, w, c.intermediate_size, c.hidden_act);
  return g.named(`layers.${i}.output`, g.add(attended, mixed));
}
