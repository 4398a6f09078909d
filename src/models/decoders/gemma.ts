// The decoders of Gemma, Gemma 2 and Gemma 3: norms stored as w and applied as 1 + w, scaled token embeddings, gated
// GELU; from Gemma 2 on a norm after each sublayer too. Gemma team 2024, https://arxiv.org/abs/2403.08295 and
// https://arxiv.org/abs/2408.00118; 2025, https://arxiv.org/abs/2503.19786
import type { ActivationName, GraphBuilder, Value } from '../../graph/builder.js';
import type { Config } from '../checkpoint/config.js';
import { closeDecoder, openDecoder } from './decoder-frame.js';
import { inverseFrequencies, type RopeSettings } from '../rope.js';
import type { CheckpointModule, WeightScope } from '../checkpoint/weights.js';

export interface GemmaShape {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  vocab_size: number;
  rms_norm_eps: number;
  /** Scores are divided by the root of this. */
  query_pre_attn_scalar: number;
  /** Norms after attention and after the MLP as well (Gemma 2, Gemma 3). */
  sandwichNorms: boolean;
  /** q and k are normed per head (Gemma 3). */
  qkNorm: boolean;
  attn_logit_softcapping: number;
  final_logit_softcapping: number;
  /** By layer: 0 sees everything, else only so many positions back. */
  windows: number[];
  /** By layer. */
  ropes: RopeSettings[];
}

/** Sizes that every Gemma config names alike; absent ones are the class's. */
export function gemmaSizes(
  text: Config,
  defaults: { heads: number; kvHeads: number; vocab_size: number },
): Omit<
  GemmaShape,
  'windows' | 'ropes' | 'sandwichNorms' | 'qkNorm' | 'attn_logit_softcapping' | 'final_logit_softcapping'
> {
  const head_dim = text.count('head_dim', 256);
  return {
    hidden_size: text.count('hidden_size'),
    intermediate_size: text.count('intermediate_size'),
    num_hidden_layers: text.parts('num_hidden_layers'),
    num_attention_heads: text.count('num_attention_heads', defaults.heads),
    num_key_value_heads: text.count('num_key_value_heads', defaults.kvHeads),
    head_dim,
    vocab_size: text.count('vocab_size', defaults.vocab_size),
    rms_norm_eps: text.number('rms_norm_eps', 1e-6),
    query_pre_attn_scalar: text.number('query_pre_attn_scalar', head_dim),
  };
}

const ACTIVATION: ActivationName = 'gelu_tanh';

export function gemmaDecoder(
  g: GraphBuilder,
  text: WeightScope,
  head: CheckpointModule,
  c: GemmaShape,
): void {
  const table = text('embed_tokens');
  const embedScale = roundedTo(table.dtype, Math.sqrt(c.hidden_size));
  const frame = openDecoder(g, table.matrix(c.vocab_size, c.hidden_size), { embedScale });
  const tables = new Map<RopeSettings, Value>();
  for (const rope of c.ropes) {
    if (!tables.has(rope))
      tables.set(rope, g.ropeTable(frame.positions, { invFreq: inverseFrequencies(rope, c.head_dim) }));
  }
  let x = frame.x;
  for (let i = 0; i < c.num_hidden_layers; i++) {
    x = gemmaLayer(g, x, (name) => text(`layers.${i}.${name}`), c, tables.get(c.ropes[i]!)!, i);
  }
  const last = head.matrix(c.vocab_size, c.hidden_size);
  closeDecoder(g, frame, x, (y) => gemmaNorm(g, y, text('norm'), c), last, c.final_logit_softcapping);
}

/** x[rows, hidden] → x[rows, hidden] */
function gemmaLayer(g: GraphBuilder, x: Value, w: WeightScope, c: GemmaShape, rope: Value, i: number): Value {
  const post = (y: Value, name: string): Value => (c.sandwichNorms ? gemmaNorm(g, y, w(name), c) : y);
  const a = attention(g, gemmaNorm(g, x, w('input_layernorm'), c), w, c, rope, i);
  const attended = g.add(x, post(a, 'post_attention_layernorm'));
  const f = gemmaNorm(
    g,
    attended,
    w(c.sandwichNorms ? 'pre_feedforward_layernorm' : 'post_attention_layernorm'),
    c,
  );
  const gate = g.linear(f, w('mlp.gate_proj'), c.intermediate_size);
  const up = g.linear(f, w('mlp.up_proj'), c.intermediate_size);
  const down = g.linear(g.gatedActivation(gate, up, ACTIVATION), w('mlp.down_proj'), c.hidden_size);
  return g.named(`layers.${i}.output`, g.add(attended, post(down, 'post_feedforward_layernorm')));
}

function attention(g: GraphBuilder, x: Value, w: WeightScope, c: GemmaShape, rope: Value, i: number): Value {
  const { num_attention_heads: heads, num_key_value_heads: kvHeads, head_dim: d } = c;
  let q = g.linear(x, w('self_attn.q_proj'), heads * d);
  let k = g.linear(x, w('self_attn.k_proj'), kvHeads * d);
  const v = g.named(`layers.${i}.v`, g.linear(x, w('self_attn.v_proj'), kvHeads * d));
  if (c.qkNorm) {
    q = gemmaNorm(g, q, w('self_attn.q_norm'), c, heads);
    k = gemmaNorm(g, k, w('self_attn.k_norm'), c, kvHeads);
  }
  q = g.named(`layers.${i}.q`, g.rope(q, rope, heads));
  k = g.named(`layers.${i}.k`, g.rope(k, rope, kvHeads));
  const scale = c.query_pre_attn_scalar ** -0.5;
  const o = g.attention(q, k, v, {
    heads,
    kvHeads,
    kDim: d,
    scale,
    window: c.windows[i]!,
    softcap: c.attn_logit_softcapping,
  });
  return g.linear(o, w('self_attn.o_proj'), c.hidden_size);
}

function gemmaNorm(g: GraphBuilder, x: Value, module: CheckpointModule, c: GemmaShape, groups = 1): Value {
  return g.rmsNorm(x, module, c.rms_norm_eps, { weightOffset: module.holdsOnePlus ? 0 : 1, groups });
}

/** The reference holds the embedding factor in the weights' own type: √2560 is 50.5 in bfloat16. */
export function roundedTo(dtype: string, value: number): number {
  if (dtype === 'BF16') return roundBits(value, 8);
  if (dtype === 'F16') return roundBits(value, 11);
  return Math.fround(value);
}

/** Nearest number with `bits` significant bits, ties to even; far from subnormals. */
function roundBits(value: number, bits: number): number {
  const unit = 2 ** (Math.floor(Math.log2(value)) - bits + 1);
  const scaled = value / unit;
  const low = Math.floor(scaled);
  const up = scaled - low > 0.5 || (scaled - low === 0.5 && low % 2 === 1);
  return (up ? low + 1 : low) * unit;
}
