// Gemma 4's decoder: sliding and full layers with heads of their own size, of which the last may read earlier keys and
// values; an input per layer (small models) or experts beside the MLP (26B-A4B); a factor at the end of every layer.
import type { ActivationName, GraphBuilder, Value } from '../../graph/builder.js';
import type { Config } from '../checkpoint/config.js';
import type { WeightScope } from '../checkpoint/weights.js';
import { inverseFrequencies, localRopeSettings, ropeSettings } from '../rope.js';
import { closeDecoder, openDecoder, type DecoderFrame } from './decoder-frame.js';
import { chosenExperts, type ExpertShape } from './experts.js';
import { roundedTo } from './gemma.js';
import { gatedMlp } from './llama.js';

interface LayerShape {
  sliding: boolean;
  headDim: number;
  kvHeads: number;
  inner: number;
  /** The layer whose keys and values this one reads, where it has none of its own. */
  shares: number | null;
  /** Values are the keys before their norm: there is no projection for them. */
  keysAreValues: boolean;
}

export interface Gemma4Shape {
  hidden: number;
  heads: number;
  eps: number;
  window: number;
  /** Images see themselves as blocks in sliding layers; full layers are causal then too. */
  blocks: boolean;
  /** 0: no input per layer. */
  perLayer: number;
  perLayerVocab: number;
  pad: number;
  experts: ExpertShape | null;
  layers: LayerShape[];
}

const ACTIVATION: ActivationName = 'gelu_tanh';

export function gemma4Shape(text: Config): Gemma4Shape {
  return {
    hidden: text.count('hidden_size'),
    heads: text.count('num_attention_heads'),
    eps: text.number('rms_norm_eps', 1e-6),
    window: text.count('sliding_window'),
    blocks:
      text.has('use_bidirectional_attention') && text.string('use_bidirectional_attention') === 'vision',
    perLayer: text.number('hidden_size_per_layer_input', 0),
    perLayerVocab: text.count('vocab_size_per_layer_input', text.count('vocab_size')),
    pad: text.number('pad_token_id', 0),
    experts: text.boolean('enable_moe_block', false) ? expertShape(text) : null,
    layers: layerShapes(text),
  };
}

function expertShape(text: Config): ExpertShape {
  return {
    experts: text.parts('num_experts'),
    inner: text.count('moe_intermediate_size'),
    route: { k: text.count('top_k_experts'), score: 'softmax', normalize: true },
    activation: ACTIVATION,
  };
}

/** Newer files list what differs under `per_layer_config` ("05": …) instead of under keys for full layers. */
function layerShapes(text: Config): LayerShape[] {
  const sliding = text.strings('layer_types').map((type) => type === 'sliding_attention');
  const own = sliding.slice(0, sliding.length - text.number('num_kv_shared_layers', 0));
  const equal = text.boolean('attention_k_eq_v', false);
  const [headDim, kvHeads] = [text.count('head_dim'), text.count('num_key_value_heads')];
  const everywhere = {
    headDim: text.has('global_head_dim') ? text.count('global_head_dim') : headDim,
    kvHeads:
      equal && text.has('num_global_key_value_heads') ? text.count('num_global_key_value_heads') : kvHeads,
  };
  const stated = text.sectionOr('per_layer_config', text);
  const wide = text.boolean('use_double_wide_mlp', false) ? 2 : 1;
  return sliding.map((local, i) => {
    const usual = local ? { headDim, kvHeads } : everywhere;
    const key = [String(i), String(i).padStart(2, '0')].find((name) => stated !== text && stated.has(name));
    const layer = key === undefined ? null : stated.section(key);
    return {
      sliding: local,
      headDim: layer?.count('head_dim', usual.headDim) ?? usual.headDim,
      kvHeads: layer?.count('num_key_value_heads', usual.kvHeads) ?? usual.kvHeads,
      inner: text.count('intermediate_size') * (i < own.length ? 1 : wide),
      shares: i < own.length ? null : own.lastIndexOf(local),
      keysAreValues: equal && !local,
    };
  });
}

/** `image`: the id of image tokens, which have no input per layer of their own. */
export function gemma4Decoder(g: GraphBuilder, w: WeightScope, text: Config, image: number): void {
  const c = gemma4Shape(text);
  const table = w('embed_tokens');
  const head = table.matrix(text.count('vocab_size'), c.hidden);
  const frame = openDecoder(g, head, { embedScale: roundedTo(table.dtype, Math.sqrt(c.hidden)) });
  const [everywhere, nearby] = [
    ropeSettings(text, { layerType: 'full_attention', theta: 1e6 }),
    localRopeSettings(text),
  ];
  const rope = (sliding: boolean): Value => {
    const { headDim } = c.layers.find((layer) => layer.sliding === sliding) ?? c.layers[0]!;
    const invFreq = inverseFrequencies(sliding ? nearby! : everywhere!, headDim);
    return g.ropeTable(frame.positions, { invFreq });
  };
  const ropes = { sliding: rope(true), full: rope(false) };
  const inputs = c.perLayer > 0 ? perLayerInputs(g, frame, image, w, c) : null;
  let x = frame.x;
  c.layers.forEach((layer, i) => {
    const at: WeightScope = (name) => w(`layers.${i}.${name}`);
    x = attended(g, x, at, c, layer, layer.sliding ? ropes.sliding : ropes.full);
    x = fedForward(g, x, at, c, layer);
    if (inputs) x = g.add(x, perLayerUpdate(g, x, g.slice(inputs, i * c.perLayer, c.perLayer), at, c));
    // One number for all rows: a table of one row, which every id reads.
    const factor = g.embedding(frame.ids, at('layer_scalar').table([1], 1, ''));
    x = g.named(`layers.${i}.output`, g.mul(x, factor));
  });
  const cap = text.number('final_logit_softcapping', 0);
  closeDecoder(g, frame, x, (y) => g.rmsNorm(y, w('norm'), c.eps), head, cap);
}

/** What each layer is given of the token and of its embedding, [rows, layers·perLayer]. Image rows read padding's entry. */
function perLayerInputs(
  g: GraphBuilder,
  { ids, x }: DecoderFrame,
  image: number,
  w: WeightScope,
  c: Gemma4Shape,
): Value {
  const groups = c.layers.length;
  const table = w('embed_tokens_per_layer');
  const [rows, width] = [c.perLayerVocab, groups * c.perLayer];
  const scale = Math.sqrt(c.perLayer); // 16, which every dtype holds
  const padding = g.embedding(ids, table.rows(rows, width, c.pad, 1), scale); // ids outside a table read its first row
  const own = g.embedding(ids, table.matrix(rows, width), scale);
  const embedded = g.chooseRows(own, padding, ids, { start: image, count: 1 });
  const projected = g.scale(g.linear(x, w('per_layer_model_projection'), width), c.hidden ** -0.5);
  const normed = g.rmsNorm(projected, w('per_layer_projection_norm'), c.eps, { groups });
  return g.scale(g.add(normed, embedded), Math.SQRT1_2);
}

function perLayerUpdate(g: GraphBuilder, x: Value, input: Value, w: WeightScope, c: Gemma4Shape): Value {
  const gated = g.gatedActivation(g.linear(x, w('per_layer_input_gate'), c.perLayer), input, ACTIVATION);
  return g.rmsNorm(
    g.linear(gated, w('per_layer_projection'), c.hidden),
    w('post_per_layer_input_norm'),
    c.eps,
  );
}

/** x[rows, hidden] → x + attention, [rows, hidden] */
function attended(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  c: Gemma4Shape,
  layer: LayerShape,
  rope: Value,
): Value {
  const h = g.rmsNorm(x, w('input_layernorm'), c.eps);
  const o = g.linear(attention(g, h, w, c, layer, rope), w('self_attn.o_proj'), c.hidden);
  return g.add(x, g.rmsNorm(o, w('post_attention_layernorm'), c.eps));
}

/** Scores are not scaled: q and k are normed per head. */
function attention(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  c: Gemma4Shape,
  layer: LayerShape,
  rope: Value,
): Value {
  const { headDim, kvHeads } = layer;
  const turned = (y: Value, name: string, groups: number): Value =>
    g.rope(g.rmsNorm(y, w(`self_attn.${name}`), c.eps, { groups }), rope, groups);
  const q = turned(g.linear(x, w('self_attn.q_proj'), c.heads * headDim), 'q_norm', c.heads);
  const shape = {
    heads: c.heads,
    kvHeads,
    kDim: headDim,
    scale: 1,
    window: layer.sliding ? c.window : 0,
    causal: c.blocks && !layer.sliding,
  };
  if (layer.shares !== null) return g.attention(q, null, null, { ...shape, layer: layer.shares });
  const k = g.linear(x, w('self_attn.k_proj'), kvHeads * headDim);
  const v = layer.keysAreValues ? k : g.linear(x, w('self_attn.v_proj'), kvHeads * headDim);
  const values = g.rmsNorm(v, null, c.eps, { groups: kvHeads });
  return g.attention(q, turned(k, 'k_norm', kvHeads), values, shape);
}

/** x[rows, hidden] → x + MLP (+ experts), [rows, hidden] */
function fedForward(g: GraphBuilder, x: Value, w: WeightScope, c: Gemma4Shape, layer: LayerShape): Value {
  const norm = (y: Value, name: string): Value => g.rmsNorm(y, w(name), c.eps);
  const dense = gatedMlp(g, norm(x, 'pre_feedforward_layernorm'), w, layer.inner, ACTIVATION);
  if (!c.experts) return g.add(x, norm(dense, 'post_feedforward_layernorm'));
  const routed = route(g, x, w, c, c.experts);
  const chosen = chosenExperts(g, norm(x, 'pre_feedforward_layernorm_2'), routed, w, c.experts);
  const both = g.add(
    norm(dense, 'post_feedforward_layernorm_1'),
    norm(chosen, 'post_feedforward_layernorm_2'),
  );
  return g.add(x, norm(both, 'post_feedforward_layernorm'));
}

/** Weights of the chosen experts sum to 1 before each is multiplied by its expert's own factor. */
function route(
  g: GraphBuilder,
  x: Value,
  w: WeightScope,
  c: Gemma4Shape,
  shape: ExpertShape,
): { weights: Value; ids: Value } {
  const scaled = g.mul(g.rmsNorm(x, null, c.eps), w('router.scale').parameter([c.hidden]));
  const logits = g.linear(g.scale(scaled, c.hidden ** -0.5), w('router.proj'), shape.experts);
  const { weights, ids } = g.route(logits, shape.route);
  const factors = w('router.per_expert_scale').parameter([shape.experts]);
  const own = { ...factors, shape: [shape.experts, 1, 1] };
  return { weights: g.expertLinear(weights, ids, own, { perExpert: true }), ids };
}
