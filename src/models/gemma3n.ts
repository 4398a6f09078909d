// Gemma 3n: Gemma team 2025, https://ai.google.dev/gemma/docs/gemma-3n. Four streams of hidden states of which a layer
// computes one and predicts the others (AltUp, Baykal et al. 2023, https://arxiv.org/abs/2301.13310), low-rank residuals
// (LAuReL, Menghani et al. 2024, https://arxiv.org/abs/2411.07501), an embedding per layer, and last layers that read
// the keys and values of earlier ones. The audio tower is not read.
import { GraphBuilder, rowsOf, type ActivationName, type Value } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint.js';
import { Config } from './config.js';
import { closeDecoder, openDecoder } from './decoder-frame.js';
import type { Family, Model } from './family.js';
import { roundedTo } from './gemma-decoder.js';
import { mobileNetV5, type TowerTables } from './mobilenet_v5.js';
import { normalQuantile } from './normal-quantile.js';
import { fixedSquareProcessor } from './processors/fixed-square.js';
import { pixelRows } from './processors/pixels.js';
import { inverseFrequencies, localRopeSettings, ropeSettings } from './rope.js';
import { imageTokenId, stopTokenIds } from './special-tokens.js';
import { weightScope, type WeightScope } from './weights.js';

const START_OF_IMAGE = '<start_of_image>';
const IMAGE_TOKEN = '<image_soft_token>';
const END_OF_IMAGE = '<end_of_image>';
const ACTIVATION: ActivationName = 'gelu_tanh';
/** Least mean square that a stream's magnitude is taken from. */
const MAGNITUDE_EPS = 1e-5;

export const gemma3n: Family = {
  modelTypes: ['gemma3n'],
  checkpoints: [
    { name: 'google/gemma-3n-E2B-it', parameters: 5_439_438_272 },
    { name: 'google/gemma-3n-E4B-it', parameters: 7_849_978_192 },
  ],
  build(checkpoint): Model {
    const config = new Config(checkpoint.config, 'config.json');
    const text = textConfig(config);
    const tokens = config.count('vision_soft_tokens_per_image', 256);
    const side = new Config(checkpoint.imageProcessor, 'preprocessor_config.json')
      .section('size')
      .count('height');
    const { program, tables } = visionEncoder(checkpoint, config, side, tokens);
    return {
      modelType: 'gemma3n',
      vision: program,
      decoder: decoder(checkpoint, config),
      processor: fixedSquareProcessor(checkpoint, {
        patch: 1,
        tokensPerFrame: tokens,
        placeholder: () => `\n\n${START_OF_IMAGE}${IMAGE_TOKEN.repeat(tokens)}${END_OF_IMAGE}\n\n`,
        rows: ([frame], channels) => ({ pixel_values: pixelRows(frame!, channels), ...tables() }),
      }),
      hiddenSize: text.count('hidden_size'),
      vocabSize: text.count('vocab_size'),
      deepstack: 0,
      positionAxes: 1,
      imagePlaceholder: IMAGE_TOKEN,
      imageToken: IMAGE_TOKEN,
      imageTokenId: imageTokenId(checkpoint, IMAGE_TOKEN, 'image_token_id'),
      visibility: 'causal',
      recurrent: false,
      eosTokenIds: stopTokenIds(checkpoint, '<end_of_turn>'),
      boxes: null,
      contextLength: text.count('max_position_embeddings'),
    };
  },
};

/** Published files state all of this; the values are the class's. */
const textConfig = (config: Config): Config =>
  config.section('text_config').withDefaults({
    vocab_size: 262400,
    vocab_size_per_layer_input: 262144,
    head_dim: 256,
    rms_norm_eps: 1e-6,
    sliding_window: 512,
    max_position_embeddings: 32768,
    hidden_size_per_layer_input: 256,
    altup_num_inputs: 4,
    altup_active_idx: 0,
    laurel_rank: 64,
    final_logit_softcapping: 30,
  });

const textWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['model.language_model.', 'language_model.model.'], 'embed_tokens');
const embedderWeights = (checkpoint: Checkpoint, kind: 'vision' | 'audio'): WeightScope =>
  weightScope(checkpoint, [`model.embed_${kind}.`, `embed_${kind}.`], 'embedding_projection');

function visionEncoder(
  checkpoint: Checkpoint,
  config: Config,
  side: number,
  tokens: number,
): { program: Program; tables: () => Record<string, ReturnType<TowerTables[string]>> } {
  const g = new GraphBuilder('vision');
  const vision = config.section('vision_config');
  const prefixes = ['model.vision_tower.timm_model.', 'vision_tower.timm_model.'];
  const tower = weightScope(checkpoint, prefixes, 'conv_stem.conv');
  const { features, tables } = mobileNetV5(g, tower, side, Math.sqrt(tokens)); // [tokens, width]
  const eps = vision.number('rms_norm_eps', 1e-6);
  const w = embedderWeights(checkpoint, 'vision');
  const normed = g.rmsNorm(g.scale(features, Math.sqrt(features.width)), w('soft_embedding_norm'), eps);
  const hidden = textConfig(config).count('hidden_size');
  g.output('features', g.rmsNorm(g.linear(normed, w('embedding_projection'), hidden), null, eps));
  let made: Record<string, ReturnType<TowerTables[string]>> | undefined;
  return {
    program: g.finish(),
    tables: () => (made ??= Object.fromEntries(Object.entries(tables).map(([name, make]) => [name, make()]))),
  };
}

interface Shape {
  hidden: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  /** By layer. */
  inner: number[];
  /** By layer; the share of the MLP's gates that are closed. */
  sparsity: number[];
  sliding: boolean[];
  /** Layers from here on have no keys and values of their own. */
  firstShared: number;
  window: number;
  eps: number;
  streams: number;
  active: number;
  correctScale: boolean;
  laurelRank: number;
  perLayer: number;
}

function decoderShape(text: Config): Shape {
  const layers = text.count('num_hidden_layers');
  const byLayer = (key: string, fallback?: number[]): number[] => {
    const stated = text.has(key) || !fallback ? text.ids(key) : fallback;
    return stated.length === 1 ? Array<number>(layers).fill(stated[0]!) : stated;
  };
  return {
    hidden: text.count('hidden_size'),
    heads: text.count('num_attention_heads'),
    kvHeads: text.count('num_key_value_heads'),
    headDim: text.count('head_dim'),
    inner: byLayer('intermediate_size'),
    sparsity: byLayer('activation_sparsity_pattern'),
    sliding: text.strings('layer_types').map((type) => type === 'sliding_attention'),
    firstShared: layers - text.number('num_kv_shared_layers'),
    window: text.count('sliding_window'),
    eps: text.number('rms_norm_eps'),
    streams: text.count('altup_num_inputs'),
    active: text.number('altup_active_idx'),
    correctScale: text.boolean('altup_correct_scale', true),
    laurelRank: text.count('laurel_rank'),
    perLayer: text.count('hidden_size_per_layer_input'),
  };
}

function decoder(checkpoint: Checkpoint, config: Config): Program {
  const g = new GraphBuilder('decoder');
  const text = textConfig(config);
  const c = decoderShape(text);
  const w = textWeights(checkpoint);
  const table = w('embed_tokens');
  const head = table.matrix(text.count('vocab_size'), c.hidden);
  const frame = openDecoder(g, head, {
    embedScale: roundedTo(table.dtype, Math.sqrt(c.hidden)),
    tokens: (x, ids) =>
      hardTokens(g, hardTokens(g, x, ids, checkpoint, config, 'vision'), ids, checkpoint, config, 'audio'),
  });
  const perLayer = perLayerInputs(g, frame.ids, frame.x, w, c, text.count('vocab_size_per_layer_input'));
  const everywhere = inverseFrequencies(
    ropeSettings(text, { layerType: 'full_attention', theta: 1e6 }),
    c.headDim,
  );
  const nearby = inverseFrequencies(localRopeSettings(text), c.headDim);
  const ropes = [everywhere, nearby].map((invFreq) => g.ropeTable(frame.positions, { invFreq }));

  const size = g.rowStatistic(frame.x, 'rms');
  let streams = Array.from({ length: c.streams }, (_, i) =>
    i === 0 ? frame.x : magnified(g, g.linear(frame.x, w(`altup_projections.${i - 1}`), c.hidden), size),
  );
  let joined = concatenated(g, streams);
  for (let i = 0; i < c.inner.length; i++) {
    const input = g.slice(perLayer, i * c.perLayer, c.perLayer);
    streams = layer(
      g,
      streams,
      joined,
      input,
      (name) => w(`layers.${i}.${name}`),
      c,
      ropes[c.sliding[i] ? 1 : 0]!,
      i,
    );
    joined = g.named(`layers.${i}.output`, concatenated(g, streams)); // [rows, streams·hidden]
  }
  const last = (y: Value): Value => g.rmsNorm(mergedStreams(g, y, w, c), w('norm'), c.eps);
  closeDecoder(g, frame, joined, last, head, text.number('final_logit_softcapping'));
  return g.finish();
}

/** Ids behind the text vocabulary have embeddings in the space of their tower. */
function hardTokens(
  g: GraphBuilder,
  x: Value,
  ids: Value,
  checkpoint: Checkpoint,
  config: Config,
  kind: 'vision' | 'audio',
): Value {
  const w = embedderWeights(checkpoint, kind);
  const section = config.section(`${kind}_config`);
  const [start, count] = [section.count('vocab_offset'), section.count('vocab_size', 128)];
  const eps = section.number('rms_norm_eps', 1e-6);
  const embedded = g.embedding(ids, w('embedding').matrix(count, section.count('hidden_size')), 1, start);
  const projected = g.linear(
    g.rmsNorm(embedded, w('hard_embedding_norm'), eps),
    w('embedding_projection'),
    x.width,
  );
  return g.chooseRows(x, g.rmsNorm(projected, null, eps), ids, { start, count });
}

/** What each layer is given of the token and of the embedding, [rows, layers·perLayer]. */
function perLayerInputs(
  g: GraphBuilder,
  ids: Value,
  x: Value,
  w: WeightScope,
  c: Shape,
  vocab: number,
): Value {
  const layers = c.inner.length;
  const table = w('embed_tokens_per_layer');
  const scale = roundedTo(table.dtype, Math.sqrt(c.perLayer));
  const embedded = g.embedding(ids, table.matrix(vocab, layers * c.perLayer), scale);
  const projected = g.linear(x, w('per_layer_model_projection'), layers * c.perLayer);
  const normed = g.rmsNorm(g.scale(projected, c.hidden ** -0.5), w('per_layer_projection_norm'), c.eps, {
    groups: layers,
  });
  return g.scale(g.add(normed, embedded), Math.SQRT1_2);
}

/** One layer: predict all streams, compute the active one, correct all by its error. */
function layer(
  g: GraphBuilder,
  streams: Value[],
  joined: Value,
  perLayerInput: Value,
  w: WeightScope,
  c: Shape,
  rope: Value,
  i: number,
): Value[] {
  const norm = (x: Value, name: string): Value => g.rmsNorm(x, w(name), c.eps);
  const mix = g.linear(modalities(g, streams[c.active]!, w, c), w('altup.prediction_coefs'), c.streams ** 2);
  const predicted = streams.map((stream, j) =>
    g.add(stream, g.expertSum(joined, g.slice(mix, j * c.streams, c.streams))),
  );
  const active = predicted[c.active]!;

  const x = norm(active, 'input_layernorm');
  const low = g.linear(
    g.linear(x, w('laurel.linear_left'), c.laurelRank),
    w('laurel.linear_right'),
    c.hidden,
  );
  const laurel = g.add(x, norm(low, 'laurel.post_laurel_norm'));
  const attended = g.add(active, norm(attention(g, x, w, c, rope, i), 'post_attention_layernorm'));
  const both = g.scale(g.add(attended, laurel), Math.SQRT1_2);
  const fed = mlp(g, norm(both, 'pre_feedforward_layernorm'), w, c, i);
  const result = g.add(both, norm(fed, 'post_feedforward_layernorm'));

  const error = g.add(result, g.scale(active, -1));
  const gains = g.linear(modalities(g, result, w, c), w('altup.correction_coefs'), c.streams);
  const corrected = predicted.map((stream, j) =>
    g.add(stream, g.add(error, g.mul(error, g.slice(gains, j, 1)))),
  );
  const first = corrected[c.active]!;
  const scaled = c.correctScale ? g.mul(first, w('altup.correct_output_scale').parameter([c.hidden])) : first;
  const gate = g.linear(scaled, w('per_layer_input_gate'), c.perLayer);
  const gated = g.gatedActivation(gate, perLayerInput, ACTIVATION);
  const update = norm(g.linear(gated, w('per_layer_projection'), c.hidden), 'post_per_layer_input_norm');
  return corrected.map((stream, j) => (j === 0 ? stream : g.add(stream, update)));
}

/** tanh of the router, [rows, streams] */
function modalities(g: GraphBuilder, x: Value, w: WeightScope, c: Shape): Value {
  const normed = g.scale(g.rmsNorm(x, w('altup.router_norm'), c.eps), 1 / c.hidden);
  return g.activation(g.linear(normed, w('altup.modality_router'), c.streams), 'tanh');
}

function attention(g: GraphBuilder, x: Value, w: WeightScope, c: Shape, rope: Value, i: number): Value {
  const { heads, kvHeads, headDim } = c;
  const turned = (y: Value, name: string, groups: number): Value =>
    g.rope(g.rmsNorm(y, w(`self_attn.${name}`), c.eps, { groups }), rope, groups);
  const q = turned(g.linear(x, w('self_attn.q_proj'), heads * headDim), 'q_norm', heads);
  const shape = { heads, kvHeads, kDim: headDim, scale: 1, window: c.sliding[i] ? c.window : 0 };
  const output = (o: Value): Value => g.linear(o, w('self_attn.o_proj'), c.hidden);
  if (i >= c.firstShared) {
    const own = c.sliding.slice(0, c.firstShared);
    return output(g.attention(q, null, null, { ...shape, layer: own.lastIndexOf(c.sliding[i]!) }));
  }
  const k = turned(g.linear(x, w('self_attn.k_proj'), kvHeads * headDim), 'k_norm', kvHeads);
  const v = g.linear(x, w('self_attn.v_proj'), kvHeads * headDim);
  return output(g.attention(q, k, g.rmsNorm(v, null, c.eps, { groups: kvHeads }), shape));
}

/** Where sparsity is wanted, only gates above that quantile of a normal distribution stay open. */
function mlp(g: GraphBuilder, x: Value, w: WeightScope, c: Shape, i: number): Value {
  const [inner, sparsity] = [c.inner[i]!, c.sparsity[i]!];
  let gate = g.linear(x, w('mlp.gate_proj'), inner);
  if (sparsity > 0) {
    const mean = g.rowStatistic(gate, 'mean', { scale: -1 });
    const spread = g.rowStatistic(gate, 'deviation', { scale: -normalQuantile(sparsity) });
    gate = g.activation(g.add(gate, g.add(mean, spread)), 'relu');
  }
  const up = g.linear(x, w('mlp.up_proj'), inner);
  return g.linear(g.gatedActivation(gate, up, ACTIVATION), w('mlp.down_proj'), c.hidden);
}

/** x at the magnitude `size`[rows, 1]. */
function magnified(g: GraphBuilder, x: Value, size: Value): Value {
  return g.mul(x, g.mul(size, g.rowStatistic(x, 'inverse_rms', { eps: MAGNITUDE_EPS })));
}

/** The mean of all streams at the magnitude of the first. [rows, streams·hidden] → [rows, hidden] */
function mergedStreams(g: GraphBuilder, joined: Value, w: WeightScope, c: Shape): Value {
  const first = g.slice(joined, 0, c.hidden);
  const size = g.rowStatistic(first, 'rms');
  let sum = first;
  for (let j = 1; j < c.streams; j++) {
    const stream = g.slice(joined, j * c.hidden, c.hidden);
    sum = g.add(sum, magnified(g, g.linear(stream, w(`altup_unembed_projections.${j - 1}`), c.hidden), size));
  }
  return g.scale(sum, 1 / c.streams);
}

const concatenated = (g: GraphBuilder, streams: Value[]): Value => streams.reduce((a, b) => g.concat(a, b));
