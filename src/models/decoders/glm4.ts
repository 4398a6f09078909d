// GLM-4's decoder: Llama's, with a norm behind each sublayer too, gate and up in one matrix, and rotary pairs side by
// side. Of GLM-4-0414, GLM-4.1V, GLM-4.6V and GLM-OCR.
import { GraphBuilder, type Value } from '../../graph/builder.js';
import type { Program } from '../../graph/program.js';
import type { Config } from '../checkpoint/config.js';
import type { CheckpointModule, WeightScope } from '../checkpoint/weights.js';
import { ropeSettings, sectionedAxes } from '../rope.js';
import { llamaAttention, llamaDecoder, llamaShape, type LlamaShape } from './llama.js';

export function glm4Decoder(w: WeightScope, head: CheckpointModule, text: Config, qkvBias: boolean): Program {
  const g = new GraphBuilder('decoder');
  const rope = ropeSettings(text, { theta: 10000 });
  const shape = llamaShape(text, {
    rms_norm_eps: 1e-5,
    qkvBias: text.boolean('attention_bias', qkvBias),
  });
  llamaDecoder(
    g,
    w,
    head,
    { ...shape, interleaved: true },
    {
      positionAxes: 3,
      rope,
      rotaryDim: Math.floor(shape.head_dim * rope.scaling.number('partial_rotary_factor', 1)),
      ropeAxes: sectionedAxes(rope.scaling.numbers('mrope_section')),
      layer,
    },
  );
  return g.finish();
}

/** post_attention_layernorm stands before the MLP, the other two behind their sublayers. */
function layer(g: GraphBuilder, x: Value, w: WeightScope, c: LlamaShape, rope: Value, i: number): Value {
  const norm = (y: Value, name: string): Value => g.rmsNorm(y, w(name), c.rms_norm_eps);
  const a = llamaAttention(g, norm(x, 'input_layernorm'), w, c, rope, i);
  const attended = g.add(x, norm(a, 'post_self_attn_layernorm'));
  const inner = c.intermediate_size;
  const both = g.linear(norm(attended, 'post_attention_layernorm'), w('mlp.gate_up_proj'), 2 * inner);
  const gated = g.gatedActivation(g.slice(both, 0, inner), g.slice(both, inner, inner), c.hidden_act);
  const down = g.linear(gated, w('mlp.down_proj'), x.width);
  return g.named(`layers.${i}.output`, g.add(attended, norm(down, 'post_mlp_layernorm')));
}
