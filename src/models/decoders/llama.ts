// The decoder layer that Llama made common: RMSNorm, grouped-query attention with RoPE, SwiGLU. Qwen2 adds biases to
// q, k and v; Qwen3 norms every head of q and k. Touvron et al. 2023; Ainslie et al. 2023 (GQA); Shazeer 2020 (SwiGLU).
import type { ActivationName, GraphBuilder, Value } from '../../graph/builder.js';
import type { Config } from '../checkpoint/config.js';
import { closeDecoder, openDecoder, type DecoderFrame, type FrameOptions } from './decoder-frame.js';
import { inverseFrequencies, ropeAttentionFactor, type RopeSettings } from '../rope.js';
import type { CheckpointModule, WeightScope } from '../checkpoint/weights.js';

export interface LlamaShape {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  vocab_size: number;
  rms_norm_eps: number;
  hidden_act: ActivationName;
  /** q, k and v have biases. */
  qkvBias: boolean;
  /** q and k are normed per head before RoPE. */
  qkNorm: boolean;
  /** 0: every layer sees everything. */
  window: number;
  /** RoPE turns pairs (2i, 2i+1) instead of halves. */
  interleaved?: boolean;
}

export function llamaShape(
  text: Config,
  options: Partial<Pick<LlamaShape, 'qkvBias' | 'qkNorm' | 'rms_norm_eps' | 'window'>> = {},
): LlamaShape {
  const hidden_size = text.count('hidden_size');
  const num_attention_heads = text.count('num_attention_heads');
  return {
    hidden_size,
    intermediate_size: text.count('intermediate_size'),
    num_hidden_layers: text.parts('num_hidden_layers'),
    num_attention_heads,
    num_key_value_heads: text.count('num_key_value_heads', num_attention_heads),
    head_dim: text.count('head_dim', hidden_size / num_attention_heads),
    vocab_size: text.count('vocab_size'),
    rms_norm_eps: text.number('rms_norm_eps', options.rms_norm_eps ?? 1e-6),
    hidden_act: text.string('hidden_act', 'silu') as ActivationName,
    qkvBias: options.qkvBias ?? false,
    qkNorm: options.qkNorm ?? false,
    window: options.window ?? 0,
  };
}

/** x[rows, hidden] → x[rows, hidden] */
export function llamaLayer(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  c: LlamaShape,
  rope: Value,
  i: number,
): Value {
  const a = g.rmsNorm(x, w('input_layernorm'), c.rms_norm_eps);
  const attended = g.add(x, llamaAttention(g, a, w, c, rope, i));
  const f = g.rmsNorm(attended, w('post_attention_layernorm'), c.rms_norm_eps);
  return g.named(`layers.${i}.output`, g.add(attended, gatedMlp(g, f, w, c.intermediate_size, c.hidden_act)));
}

export function llamaAttention(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  c: LlamaShape,
  rope: Value,
  i: number,
): Value {
  const { num_attention_heads: heads, num_key_value_heads: kvHeads, head_dim: d } = c;
  const bias = c.qkvBias;
  let q = g.linear(x, w('self_attn.q_proj'), heads * d, { bias }); // [rows, heads·d]
  let k = g.linear(x, w('self_attn.k_proj'), kvHeads * d, { bias }); // [rows, kvHeads·d]
  const v = g.named(`layers.${i}.v`, g.linear(x, w('self_attn.v_proj'), kvHeads * d, { bias }));
  if (c.qkNorm) {
    q = g.rmsNorm(q, w('self_attn.q_norm'), c.rms_norm_eps, { groups: heads });
    k = g.rmsNorm(k, w('self_attn.k_norm'), c.rms_norm_eps, { groups: kvHeads });
  }
  const turning = { interleaved: c.interleaved };
  q = g.named(`layers.${i}.q`, g.rope(q, rope, heads, turning));
  k = g.named(`layers.${i}.k`, g.rope(k, rope, kvHeads, turning));
  const o = g.attention(q, k, v, { heads, kvHeads, kDim: d, scale: d ** -0.5, window: c.window });
  return g.linear(o, w('self_attn.o_proj'), x.width);
}

/** down(f(gate x) · up x) */
export function gatedMlp(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  intermediate: number,
  activation: ActivationName,
  prefix = 'mlp',
): Value {
  const gate = g.linear(x, w(`${prefix}.gate_proj`), intermediate);
  const up = g.linear(x, w(`${prefix}.up_proj`), intermediate);
  return g.linear(g.gatedActivation(gate, up, activation), w(`${prefix}.down_proj`), x.width);
}

export interface LlamaOptions extends FrameOptions {
  rope: RopeSettings;
  /** Columns of a head that turn; all where absent. */
  rotaryDim?: number;
  /** Position axis of each frequency; all 0 where absent. */
  ropeAxes?: number[];
  /** What follows layer i (DeepStack). */
  afterLayer?: (x: Value, frame: DecoderFrame, i: number) => Value;
  /** The layer itself, where it differs. */
  layer?: typeof llamaLayer;
}

/** A whole Llama-like decoder program. `head`: lm_head, or the token table where tied. */
export function llamaDecoder(
  g: GraphBuilder,
  text: WeightScope,
  head: CheckpointModule,
  c: LlamaShape,
  options: LlamaOptions,
): void {
  const frame = openDecoder(g, text('embed_tokens').matrix(c.vocab_size, c.hidden_size), options);
  const invFreq = inverseFrequencies(options.rope, options.rotaryDim ?? c.head_dim);
  const rope = g.ropeTable(frame.positions, {
    invFreq,
    axis: options.ropeAxes,
    scale: ropeAttentionFactor(options.rope),
  });
  const layer = options.layer ?? llamaLayer;
  let x = frame.x;
  for (let i = 0; i < c.num_hidden_layers; i++) {
    x = layer(g, x, (name) => text(`layers.${i}.${name}`), c, rope, i);
    x = options.afterLayer?.(x, frame, i) ?? x;
  }
  closeDecoder(
    g,
    frame,
    x,
    (y) => g.rmsNorm(y, text('norm'), c.rms_norm_eps),
    head.matrix(c.vocab_size, c.hidden_size),
  );
}
