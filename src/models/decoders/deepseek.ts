// DeepSeek-V3's decoder (https://arxiv.org/abs/2412.19437): multi-head latent attention, whose keys and values come
// from one small latent per token, and sigmoid-routed experts beside shared ones.
import { GraphBuilder, type RouteOptions, type Value } from '../../graph/builder.js';
import type { Program } from '../../graph/program.js';
import type { Config } from '../checkpoint/config.js';
import { closeDecoder, openDecoder } from './decoder-frame.js';
import { routedExperts, type ExpertShape } from './experts.js';
import { gatedMlp } from './llama.js';
import {
  inverseFrequencies,
  ropeAttentionFactor,
  ropeSettings,
  yarnMagnitude,
  type RopeSettings,
} from '../rope.js';
import type { CheckpointModule, WeightScope } from '../checkpoint/weights.js';

interface Shape {
  hidden: number;
  vocab: number;
  heads: number;
  /** Width of the query latent; null where queries are projected directly. */
  qRank: number | null;
  kvRank: number;
  /** Columns of a head that do not turn, that turn, and of its value. */
  nope: number;
  rope: number;
  value: number;
  eps: number;
  scale: number;
}

/** The latents' norms use this whatever rms_norm_eps is. */
const LATENT_NORM_EPS = 1e-6;

export function deepseekDecoder(text: Config, w: WeightScope, head: CheckpointModule): Program {
  const g = new GraphBuilder('decoder');
  const settings = ropeSettings(text, { theta: 10000 });
  const c = decoderShape(text, settings);
  const experts = text.has('n_routed_experts') ? expertShape(text) : null;
  const frame = openDecoder(g, w('embed_tokens').matrix(c.vocab, c.hidden));
  const rope = g.ropeTable(frame.positions, {
    invFreq: inverseFrequencies(settings, c.rope),
    scale: ropeAttentionFactor(settings),
  });
  let x = frame.x;
  for (let i = 0; i < text.parts('num_hidden_layers'); i++) {
    const layer: WeightScope = (name) => w(`layers.${i}.${name}`);
    x = g.add(x, latentAttention(g, g.rmsNorm(x, layer('input_layernorm'), c.eps), layer, c, rope));
    const f = g.rmsNorm(x, layer('post_attention_layernorm'), c.eps);
    const sparse =
      experts && i >= text.number('first_k_dense_replace', 0) && i % text.count('moe_layer_freq', 1) === 0;
    const mixed = sparse
      ? deepseekMixture(g, f, layer, experts)
      : gatedMlp(g, f, layer, text.count('intermediate_size'), 'silu');
    x = g.named(`layers.${i}.output`, g.add(x, mixed));
  }
  closeDecoder(g, frame, x, (y) => g.rmsNorm(y, w('norm'), c.eps), head.matrix(c.vocab, c.hidden));
  return g.finish();
}

function decoderShape(text: Config, settings: RopeSettings): Shape {
  const [nope, rope] = [text.count('qk_nope_head_dim'), text.count('qk_rope_head_dim')];
  return {
    hidden: text.count('hidden_size'),
    vocab: text.count('vocab_size'),
    heads: text.count('num_attention_heads'),
    qRank: text.has('q_lora_rank') ? text.count('q_lora_rank') : null,
    kvRank: text.count('kv_lora_rank'),
    nope,
    rope,
    value: text.count('v_head_dim'),
    eps: text.number('rms_norm_eps', 1e-6),
    scale: (nope + rope) ** -0.5 * yarnTemperature(settings),
  };
}

/** YaRN sharpens attention by the square of its magnitude. */
function yarnTemperature({ type, scaling }: RopeSettings): number {
  const all = type === 'yarn' ? scaling.number('mscale_all_dim', 0) : 0;
  return all === 0 ? 1 : yarnMagnitude(scaling.number('factor'), all) ** 2;
}

/** [rows, hidden] → [rows, hidden] */
function latentAttention(g: GraphBuilder, h: Value, w: WeightScope, c: Shape, rope: Value): Value {
  const { heads, nope, value } = c;
  const kDim = nope + c.rope;
  const q = g.rope(queries(g, h, w, c), rope, heads, { start: nope, interleaved: true }); // each head: nope | rope
  const compressed = g.linear(h, w('self_attn.kv_a_proj_with_mqa'), c.kvRank + c.rope); // latent | key that turns
  const latent = g.rmsNorm(g.slice(compressed, 0, c.kvRank), w('self_attn.kv_a_layernorm'), LATENT_NORM_EPS);
  const shared = g.rope(g.slice(compressed, c.kvRank, c.rope), rope, 1, { interleaved: true });
  const { still, v } = w('self_attn.embed_q').exists ? storedApart(g, latent, w, c) : joint(g, latent, w, c);
  const k = g.concat(still, g.repeat(shared, heads), heads);
  const o = g.attention(q, k, v, { heads, kvHeads: heads, kDim, vDim: value, scale: c.scale });
  return g.linear(o, w('self_attn.o_proj'), c.hidden);
}

/** What is made of a latent: the keys' columns that do not turn, and the values. [rows, heads · width] each */
interface FromLatent {
  still: Value;
  v: Value;
}

function joint(g: GraphBuilder, latent: Value, w: WeightScope, { heads, nope, value }: Shape): FromLatent {
  const both = g.linear(latent, w('self_attn.kv_b_proj'), heads * (nope + value)); // each head: nope | value
  return { still: g.slice(both, 0, nope, heads), v: g.slice(both, nope, value, heads) };
}

/** As MLX stores it: a matrix of keys for each head, turned, and one of values. */
function storedApart(g: GraphBuilder, latent: Value, w: WeightScope, c: Shape): FromLatent {
  const keys = w('self_attn.embed_q').turnedHeads(c.heads, c.nope, c.kvRank);
  const values = w('self_attn.unembed_out').headRows(c.heads, c.value, c.kvRank);
  return { still: g.matmul(latent, keys), v: g.matmul(latent, values) };
}

function queries(g: GraphBuilder, h: Value, w: WeightScope, c: Shape): Value {
  const width = c.heads * (c.nope + c.rope);
  if (c.qRank === null) return g.linear(h, w('self_attn.q_proj'), width);
  const latent = g.rmsNorm(
    g.linear(h, w('self_attn.q_a_proj'), c.qRank),
    w('self_attn.q_a_layernorm'),
    LATENT_NORM_EPS,
  );
  return g.linear(latent, w('self_attn.q_b_proj'), width);
}

type Mixture = ExpertShape & { shared: number };

/** Scores of V3 where files do not say; V2's are another's. */
export function expertShape(
  text: Config,
  unstated: Pick<RouteOptions, 'score' | 'normalize'> = { score: 'sigmoid', normalize: true },
): Mixture {
  const inner = text.count('moe_intermediate_size');
  return {
    experts: text.parts('n_routed_experts'),
    inner,
    shared: inner * text.number('n_shared_experts', 0),
    route: {
      k: text.count('num_experts_per_tok'),
      score: text.string('scoring_func', unstated.score) === 'softmax' ? 'softmax' : 'sigmoid',
      normalize: text.boolean('norm_topk_prob', unstated.normalize),
      scale: text.number('routed_scaling_factor', 1),
      groups: text.count('n_group', 1),
      topkGroups: text.count('topk_group', 1),
    },
  };
}

/** Routed experts and those that every row passes. V3 corrects scores by a bias. [rows, hidden] → [rows, hidden] */
export function deepseekMixture(g: GraphBuilder, h: Value, w: WeightScope, c: Mixture): Value {
  const correction = w('mlp.gate.e_score_correction_bias');
  const bias = c.route.score === 'sigmoid' ? correction.parameter([c.experts]) : null;
  const routed = routedExperts(g, h, w, { ...c, route: { ...c.route, bias } });
  return c.shared > 0 ? g.add(routed, gatedMlp(g, h, w, c.shared, 'silu', 'mlp.shared_experts')) : routed;
}
