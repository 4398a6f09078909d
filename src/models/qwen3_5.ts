// Qwen3.5: three layers of gated delta rule for every layer of gated attention (Yang et al. 2024,
// https://arxiv.org/abs/2412.06464; Qwen3-Next), with or without experts. The vision encoder is Qwen3-VL's.
import { GraphBuilder, rowsOf, type Value } from '../graph/builder.js';
import type { Program, WeightRecipe } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { closeDecoder, openDecoder } from './decoders/decoder-frame.js';
import { routedExperts, type ExpertShape } from './decoders/experts.js';
import type { Family, Model } from './family.js';
import { gatedMlp } from './decoders/llama.js';
import { qwenModel, textWeights, visionWeights } from './qwen2_vl.js';
import { qwen3Processor, qwen3VisionConfig, qwen3VisionEncoder } from './towers/qwen3.js';
import { interleavedAxes, inverseFrequencies, ropeSettings } from './rope.js';
import { outputHead, weightModule, type CheckpointModule, type WeightScope } from './checkpoint/weights.js';

export const qwen3_5: Family = {
  modelTypes: ['qwen3_5'],
  bestAt: 'screens, reading, general',
  checkpoints: [
    { name: 'Qwen/Qwen3.5-0.8B', parameters: 852_985_920, towerParameters: 100_592_896 },
    { name: 'Qwen/Qwen3.5-4B', parameters: 4_539_265_536, towerParameters: 333_514_240 },
    { name: 'Qwen/Qwen3.5-9B', parameters: 9_409_813_744, towerParameters: 456_010_480 },
    { name: 'Qwen/Qwen3.5-27B', parameters: 27_356_728_560, towerParameters: 460_730_096 },
    {
      name: 'mlx-community/Qwen3.5-4B-MLX-4bit',
      parameters: 4_539_265_536,
      towerParameters: 333_514_240,
    },
    {
      name: 'mlx-community/Qwen3.5-9B-MLX-4bit',
      parameters: 9_409_813_744,
      towerParameters: 456_010_480,
    },
    { name: 'mlx-community/Qwen3.5-27B-4bit', parameters: 27_356_728_560, towerParameters: 460_730_096 },
    { name: 'mlx-community/Qwen3.6-27B-mxfp8', parameters: 27_356_728_560, towerParameters: 460_730_096 },
  ],
  build: (checkpoint) => qwen3_5Model(checkpoint, 'qwen3_5'),
};

export const qwen3_5Moe: Family = {
  modelTypes: ['qwen3_5_moe'],
  bestAt: 'screens, reading, general',
  checkpoints: [{ name: 'Qwen/Qwen3.5-35B-A3B', parameters: 35_107_181_936, towerParameters: 446_571_248 }],
  build: (checkpoint) => qwen3_5Model(checkpoint, 'qwen3_5_moe'),
};

function qwen3_5Model(checkpoint: Checkpoint, modelType: string): Model {
  const config = new Config(checkpoint.config, 'config.json');
  const vision = qwen3VisionConfig(config, []);
  const decoder = qwen3_5Decoder(checkpoint, config, 3);
  return qwenModel(checkpoint, {
    modelType,
    vision: qwen3VisionEncoder(
      vision,
      config.section('text_config').count('hidden_size'),
      visionWeights(checkpoint),
    ),
    decoder,
    ...(hasMtp(checkpoint, config) && { mtp: mtpHead(checkpoint, config, decoder) }),
    processor: qwen3Processor(checkpoint, vision),
    boxes: { scale: 'relative-1000', lines: true },
  });
}

interface DecoderShape {
  hidden: number;
  vocab: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  eps: number;
  /** 1 where norms are stored as w and applied as 1 + w; MLX files have the 1 added already. */
  normOffset: number;
  attending: (i: number) => boolean;
  /** `tiled`: value head i belongs to key head i mod keyHeads (GGUF); else neighbours share one. */
  delta: { keyHeads: number; valueHeads: number; kDim: number; vDim: number; kernel: number; tiled: boolean };
  experts: (ExpertShape & { shared: number }) | null;
  /** Width of the dense MLP, where there are no experts. */
  intermediate: number;
}

/** @param positionAxes 3: M-RoPE; 1: all frequencies turn with the row's place in the prompt. */
export function qwen3_5Decoder(checkpoint: Checkpoint, config: Config, positionAxes: 1 | 3): Program {
  const g = new GraphBuilder('decoder');
  const text = config.section('text_config');
  const w = textWeights(checkpoint);
  const c = decoderShape(checkpoint, text, w);
  const frame = openDecoder(g, w('embed_tokens').matrix(c.vocab, c.hidden), { positionAxes });
  const rope = partialRope(g, frame.positions, text, c.headDim, positionAxes);
  let x = frame.x;
  for (let i = 0; i < c.layers; i++) {
    const layer: WeightScope = (name) => w(`layers.${i}.${name}`);
    const h = norm(g, x, layer('input_layernorm'), c);
    x = g.add(x, c.attending(i) ? gatedAttention(g, h, layer, c, rope) : gatedDeltaNet(g, h, layer, c));
    x = g.named(
      `layers.${i}.output`,
      g.add(x, mlp(g, norm(g, x, layer('post_attention_layernorm'), c), layer, c)),
    );
  }
  const head = logitsHead(checkpoint, config, c);
  if (positionAxes === 3 && hasMtp(checkpoint, config)) {
    const states = norm(g, x, w('norm'), c);
    const last = g.gatherRows(states, frame.logitRows);
    g.output('logits', g.matmul(last, head));
    g.output('hidden', last);
    writeMtpLayer(g, frame.x, states, mtpWeights(checkpoint), c, text);
  } else {
    closeDecoder(g, frame, x, (y) => norm(g, y, w('norm'), c), head);
  }
  return g.finish();
}

function logitsHead(checkpoint: Checkpoint, config: Config, c: DecoderShape): WeightRecipe {
  const text = config.section('text_config');
  const tied = config.boolean('tie_word_embeddings', text.boolean('tie_word_embeddings', false));
  return outputHead(checkpoint, textWeights(checkpoint)('embed_tokens'), tied).matrix(c.vocab, c.hidden);
}

// The head for guesses (multi-token prediction): one layer of gated attention over [embedding | hidden state], where the
// embedding is of the token that came of the state. It turns as the state's row does. Its keys and values of a token lie
// at that token in the cache, so that they depend on nothing behind it; the first token has no state before it, and
// nobody else sees its row.

const mtpWeights =
  (checkpoint: Checkpoint): WeightScope =>
  (name) =>
    weightModule(checkpoint, [`mtp.${name}`, `language_model.mtp.${name}`]);

/** One layer with the model's own embeddings, as every published checkpoint has it that has a head at all. */
function hasMtp(checkpoint: Checkpoint, config: Config): boolean {
  const text = config.section('text_config');
  return (
    mtpWeights(checkpoint)('fc').exists &&
    text.number('mtp_num_hidden_layers', 1) === 1 &&
    !text.boolean('mtp_use_dedicated_embeddings', false)
  );
}

/** Writes keys and values of every row to a KV layer of their own; `states` are those that logits are made of. */
function writeMtpLayer(
  g: GraphBuilder,
  embedded: Value,
  states: Value,
  w: WeightScope,
  c: DecoderShape,
  text: Config,
): void {
  const positions = g.input('position_ids_before', { rows: states.rows, width: 3, dtype: 'i32' });
  const rope = partialRope(g, positions, text, c.headDim, 3);
  const oneBack: WeightRecipe = { name: 'one row back', shape: [c.hidden, 2], tensors: [], values: [1, 0] };
  const { h } = mtpInput(g, embedded, g.shortConv(states, oneBack), w, c);
  const keys = keysAndValues(g, h, mtpLayer(w), c);
  const { kvHeads, headDim: kDim } = c;
  // What is wanted is that k and v are written: each row sees itself alone.
  const k = g.named('mtp.k', g.rope(keys.k, rope, kvHeads));
  g.attention(k, k, g.named('mtp.v', keys.v), {
    ...{ heads: kvHeads, kvHeads, kDim, scale: kDim ** -0.5 },
    window: 1,
  });
}

/** Of one row behind the cache, or of several. */
function mtpHead(checkpoint: Checkpoint, config: Config, decoder: Program): Program {
  const g = new GraphBuilder('mtp');
  const text = config.section('text_config');
  const c = decoderShape(checkpoint, text, textWeights(checkpoint));
  const w = mtpWeights(checkpoint);
  const { layers } = decoder.kv!;
  g.shareKv(layers);
  const rows = rowsOf('rows');
  const ids = g.input('input_ids', { rows, width: 1, dtype: 'i32' });
  const positions = g.input('position_ids', { rows, width: 3, dtype: 'i32' });
  const hidden = g.input('hidden.before', { rows, width: c.hidden });
  const rope = partialRope(g, positions, text, c.headDim, 3);
  const embedded = g.embedding(ids, textWeights(checkpoint)('embed_tokens').matrix(c.vocab, c.hidden));
  const { x, h } = mtpInput(g, embedded, hidden, w, c);
  const layer = mtpLayer(w);
  const y = g.add(x, gatedAttention(g, h, layer, c, rope, { layer: layers.length - 1, start: 1 }));
  const z = g.add(y, mlp(g, norm(g, y, layer('post_attention_layernorm'), c), layer, c));
  const states = norm(g, z, w('norm'), c);
  g.output('logits', g.matmul(states, logitsHead(checkpoint, config, c)));
  g.output('hidden', states);
  return g.finish();
}

const mtpLayer =
  (w: WeightScope): WeightScope =>
  (name) =>
    w(`layers.0.${name}`);

/** x[rows, hidden] is the layer's input, h its norm. */
function mtpInput(
  g: GraphBuilder,
  embedded: Value,
  before: Value,
  w: WeightScope,
  c: DecoderShape,
): { x: Value; h: Value } {
  const both = g.concat(
    norm(g, embedded, w('pre_fc_norm_embedding'), c),
    norm(g, before, w('pre_fc_norm_hidden'), c),
  );
  const x = g.linear(both, w('fc'), c.hidden);
  return { x, h: norm(g, x, mtpLayer(w)('input_layernorm'), c) };
}

function decoderShape(checkpoint: Checkpoint, text: Config, w: WeightScope): DecoderShape {
  const layers = text.parts('num_hidden_layers');
  const attending = attentionLayers(text, layers);
  return {
    hidden: text.count('hidden_size'),
    vocab: text.count('vocab_size'),
    layers,
    heads: text.count('num_attention_heads'),
    kvHeads: text.count('num_key_value_heads'),
    headDim: text.count('head_dim', 256),
    eps: text.number('rms_norm_eps', 1e-6),
    normOffset: hasOffsetNorms(checkpoint, w, attending) ? 1 : 0,
    attending: (i) => attending[i]!,
    delta: {
      keyHeads: text.count('linear_num_key_heads', 16),
      valueHeads: text.count('linear_num_value_heads', 32),
      kDim: text.count('linear_key_head_dim', 128),
      vDim: text.count('linear_value_head_dim', 128),
      kernel: text.count('linear_conv_kernel_dim', 4),
      tiled: text.boolean('linear_heads_tiled', false),
    },
    experts: text.has('num_experts') ? expertShape(text) : null,
    intermediate: text.has('num_experts') ? 0 : text.count('intermediate_size'),
  };
}

function attentionLayers(text: Config, layers: number): boolean[] {
  if (text.has('layer_types')) return text.strings('layer_types').map((type) => type === 'full_attention');
  const interval = text.count('full_attention_interval', 4);
  return Array.from({ length: layers }, (_, i) => (i + 1) % interval === 0);
}

/** Hugging Face's files: their convolution kernels are [C, 1, K], or they carry the multi-token-prediction tensors. */
function hasOffsetNorms(checkpoint: Checkpoint, w: WeightScope, attending: boolean[]): boolean {
  if ([...checkpoint.tensors.keys()].some((name) => name.startsWith('mtp.') || name.includes('.mtp.')))
    return true;
  const recurrent = attending.indexOf(false);
  return recurrent < 0 || !w(`layers.${recurrent}.linear_attn.conv1d`).isMlxDepthwise();
}

function expertShape(text: Config): ExpertShape & { shared: number } {
  return {
    experts: text.parts('num_experts'),
    inner: text.count('moe_intermediate_size'),
    shared: text.count('shared_expert_intermediate_size'),
    route: {
      k: text.count('num_experts_per_tok'),
      score: 'softmax',
      normalize: text.boolean('norm_topk_prob', true),
    },
  };
}

/** Only the first columns of each head turn, where there are three axes on those in turn. */
function partialRope(g: GraphBuilder, positions: Value, text: Config, headDim: number, axes: 1 | 3): Value {
  const rope = ropeSettings(text);
  const factor = rope.scaling.number('partial_rotary_factor', text.number('partial_rotary_factor', 0.25));
  const invFreq = inverseFrequencies(rope, headDim * factor);
  return g.ropeTable(positions, {
    invFreq,
    ...(axes === 3 && {
      axis: interleavedAxes(rope.scaling.numbers('mrope_section'), invFreq.length),
    }),
  });
}

function norm(g: GraphBuilder, x: Value, module: CheckpointModule, c: DecoderShape, groups = 1): Value {
  return g.rmsNorm(x, module, c.eps, { groups, weightOffset: c.normOffset });
}

/** Attention whose output is gated per head. [rows, hidden] → [rows, hidden] */
function gatedAttention(
  g: GraphBuilder,
  h: Value,
  w: WeightScope,
  c: DecoderShape,
  rope: Value,
  cache: { layer?: number; start?: number } = {},
): Value {
  const { heads, kvHeads, headDim: d } = c;
  const both = g.linear(h, w('self_attn.q_proj'), heads * 2 * d); // each head: query | gate
  const q = norm(g, g.slice(both, 0, d, heads), w('self_attn.q_norm'), c, heads);
  const gate = g.slice(both, d, d, heads);
  const { k, v } = keysAndValues(g, h, w, c);
  const o = g.attention(g.rope(q, rope, heads), g.rope(k, rope, kvHeads), v, {
    ...{ heads, kvHeads, kDim: d },
    scale: d ** -0.5,
    ...cache,
  });
  return g.linear(g.gatedActivation(gate, o, 'sigmoid'), w('self_attn.o_proj'), c.hidden);
}

/** Keys before they turn. */
function keysAndValues(g: GraphBuilder, h: Value, w: WeightScope, c: DecoderShape): { k: Value; v: Value } {
  const width = c.kvHeads * c.headDim;
  const k = norm(g, g.linear(h, w('self_attn.k_proj'), width), w('self_attn.k_norm'), c, c.kvHeads);
  return { k, v: g.linear(h, w('self_attn.v_proj'), width) };
}

/** Linear attention with decay and delta rule. [rows, hidden] → [rows, hidden] */
function gatedDeltaNet(g: GraphBuilder, h: Value, w: WeightScope, c: DecoderShape): Value {
  const { keyHeads, valueHeads, kDim, vDim, kernel, tiled } = c.delta;
  const tiledCopies = tiled ? valueHeads / keyHeads : 1; // of all key heads, one behind the other
  const tiledHeads = keyHeads * tiledCopies;
  const [keys, values] = [keyHeads * kDim, valueHeads * vDim];
  const projected = g.linear(h, w('linear_attn.in_proj_qkv'), 2 * keys + values); // q | k | v
  const mixed = g.shortConv(projected, w('linear_attn.conv1d').depthwiseKernel(projected.width, kernel), {
    activation: 'silu',
  });
  const inputs = {
    q: tiledKeys(g, g.slice(mixed, 0, keys), tiledCopies),
    k: tiledKeys(g, g.slice(mixed, keys, keys), tiledCopies),
    v: g.slice(mixed, 2 * keys, values),
    a: g.linear(h, w('linear_attn.in_proj_a'), valueHeads),
    b: g.linear(h, w('linear_attn.in_proj_b'), valueHeads),
  };
  const gates = {
    A_log: w('linear_attn.A_log').parameter([valueHeads]),
    dt_bias: w('linear_attn.dt_bias').parameter([valueHeads]),
  };
  const o = g.gatedDelta(inputs, gates, { keyHeads: tiledHeads, valueHeads, kDim, vDim });
  const normed = g.rmsNorm(o, w('linear_attn.norm'), c.eps, { groups: valueHeads }); // plain weight
  const z = g.linear(h, w('linear_attn.in_proj_z'), values);
  return g.linear(g.gatedActivation(z, normed, 'silu'), w('linear_attn.out_proj'), c.hidden);
}

function tiledKeys(g: GraphBuilder, x: Value, copies: number): Value {
  return copies === 1 ? x : g.repeat(x, copies);
}

/** Dense, or chosen experts and one that all rows share behind a gate of its own. */
function mlp(g: GraphBuilder, h: Value, w: WeightScope, c: DecoderShape): Value {
  if (!c.experts) return gatedMlp(g, h, w, c.intermediate, 'silu');
  const shared = gatedMlp(g, h, w, c.experts.shared, 'silu', 'mlp.shared_expert');
  const gate = g.activation(g.linear(h, w('mlp.shared_expert_gate'), 1), 'sigmoid'); // [rows, 1]
  return g.add(routedExperts(g, h, w, c.experts), g.mul(shared, gate));
}
