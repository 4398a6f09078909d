// Gemma 3n: Gemma team 2025, https://ai.google.dev/gemma/docs/gemma-3n. Streams that layers compute by turns (AltUp), a
// low-rank residual (LAuReL, Menghani et al. 2024, https://arxiv.org/abs/2411.07501), an embedding per layer, gates of
// which only the largest open, and last layers that read the keys and values of earlier ones. Its audio tower is not
// read: audio is refused where images are.
import { GraphBuilder, type ActivationName, type Value } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import { AfterimageError } from '../errors.js';
import {
  correctStreams,
  joinStreams,
  mergeStreams,
  openStreams,
  predictStreams,
  type AltUpShape,
} from './decoders/altup.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { closeDecoder, openDecoder } from './decoders/decoder-frame.js';
import type { Family, Model, NamedTensor } from './family.js';
import { roundedTo } from './decoders/gemma.js';
import { mobileNetV5 } from './towers/mobilenet_v5.js';
import { normalQuantile } from './decoders/normal-quantile.js';
import { fixedSquareProcessor } from './processors/fixed-square.js';
import { pixelRows } from './processors/pixels.js';
import { inverseFrequencies, localRopeSettings, ropeSettings } from './rope.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { weightScope, type WeightScope } from './checkpoint/weights.js';
import { imageTokens } from './processors/placeholder.js';

const START_OF_IMAGE = '<start_of_image>';
const IMAGE_TOKEN = '<image_soft_token>';
const END_OF_IMAGE = '<end_of_image>';
const ACTIVATION: ActivationName = 'gelu_tanh';

export const gemma3n: Family = {
  modelTypes: ['gemma3n'],
  bestAt: 'general, small',
  checkpoints: [
    { name: 'google/gemma-3n-E2B-it', parameters: 5_439_438_272, towerParameters: 975_478_640 },
    { name: 'google/gemma-3n-E4B-it', parameters: 7_849_978_192, towerParameters: 975_478_640 },
    { name: 'mlx-community/gemma-3n-E2B-it-4bit', parameters: 5_439_438_272, towerParameters: 975_478_640 },
    { name: 'mlx-community/gemma-3n-E4B-it-4bit', parameters: 7_849_978_192, towerParameters: 975_478_640 },
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
        placeholder: () => `\n\n${START_OF_IMAGE}${imageTokens(IMAGE_TOKEN, tokens)}${END_OF_IMAGE}\n\n`,
        rows: ([frame], channels) => ({ pixel_values: pixelRows(frame!, channels), ...tables() }),
      }),
      positionAxes: 1,
      imagePlaceholder: IMAGE_TOKEN,
      imageToken: IMAGE_TOKEN,
      imageTokenId: imageTokenId(checkpoint, IMAGE_TOKEN, 'image_token_id'),
      visibility: 'causal',
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
const towerWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['model.vision_tower.timm_model.', 'vision_tower.timm_model.'], 'conv_stem.conv');
const embedderWeights = (checkpoint: Checkpoint, kind: 'vision' | 'audio'): WeightScope =>
  weightScope(checkpoint, [`model.embed_${kind}.`, `embed_${kind}.`], 'embedding_projection');

function visionEncoder(
  checkpoint: Checkpoint,
  config: Config,
  side: number,
  tokens: number,
): { program: Program; tables: () => Record<string, NamedTensor> } {
  const g = new GraphBuilder('vision');
  const { features, tables } = mobileNetV5(g, towerWeights(checkpoint), side, Math.sqrt(tokens)); // [tokens, width]
  const eps = config.section('vision_config').number('rms_norm_eps', 1e-6);
  const w = embedderWeights(checkpoint, 'vision');
  const normed = g.rmsNorm(g.scale(features, Math.sqrt(features.width)), w('soft_embedding_norm'), eps);
  const hidden = textConfig(config).count('hidden_size');
  g.output('features', g.rmsNorm(g.linear(normed, w('embedding_projection'), hidden), null, eps));
  return { program: g.finish(), tables };
}

interface Shape extends AltUpShape {
  heads: number;
  kvHeads: number;
  headDim: number;
  /** By layer. */
  inner: number[];
  /** By layer: the share of the MLP's gates that stay closed. */
  sparsity: number[];
  sliding: boolean[];
  /** Layers from here on have no keys and values of their own. */
  firstShared: number;
  window: number;
  correctScale: boolean;
  laurelRank: number;
  perLayer: number;
}

function decoderShape(text: Config): Shape {
  const layers = text.parts('num_hidden_layers');
  return {
    hidden: text.count('hidden_size'),
    heads: text.count('num_attention_heads'),
    kvHeads: text.count('num_key_value_heads'),
    headDim: text.count('head_dim'),
    inner: byLayer(text, 'intermediate_size', layers),
    sparsity: byLayer(text, 'activation_sparsity_pattern', layers),
    sliding: text.strings('layer_types').map((type) => type === 'sliding_attention'),
    firstShared: layers - text.number('num_kv_shared_layers'),
    window: text.count('sliding_window'),
    eps: text.number('rms_norm_eps'),
    streams: text.parts('altup_num_inputs'),
    active: text.number('altup_active_idx'),
    correctScale: text.boolean('altup_correct_scale', true),
    laurelRank: text.count('laurel_rank'),
    perLayer: text.count('hidden_size_per_layer_input'),
  };
}

/** One number for all layers, or one for each. */
function byLayer(text: Config, key: string, layers: number): number[] {
  const stated = text.ids(key);
  if (stated.length === 1) return Array<number>(layers).fill(stated[0]!);
  if (stated.length === layers) return stated;
  throw new AfterimageError(
    'INVALID_CHECKPOINT',
    `Expected one number or ${layers} for "${key}" in ${text.where} but received ${stated.length}; download the checkpoint again.`,
  );
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
      (['vision', 'audio'] as const).reduce(
        (y, kind) =>
          hardTokens(g, y, ids, embedderWeights(checkpoint, kind), config.section(`${kind}_config`)),
        x,
      ),
  });
  const inputs = perLayerInputs(g, frame.ids, frame.x, w, c, text.count('vocab_size_per_layer_input'));
  const [everywhere, nearby] = [
    ropeSettings(text, { layerType: 'full_attention', theta: 1e6 }),
    localRopeSettings(text),
  ].map((rope) => g.ropeTable(frame.positions, { invFreq: inverseFrequencies(rope, c.headDim) }));

  let streams = openStreams(g, frame.x, w, c);
  let joined = joinStreams(g, streams);
  for (let i = 0; i < c.inner.length; i++) {
    const layer: WeightScope = (name) => w(`layers.${i}.${name}`);
    const predicted = predictStreams(g, streams, joined, layer, c);
    const computed = active(g, predicted[c.active]!, layer, c, (c.sliding[i] ? nearby : everywhere)!, i);
    const corrected = correctStreams(g, predicted, computed, layer, c);
    const input = g.slice(inputs, i * c.perLayer, c.perLayer);
    const update = perLayerUpdate(g, corrected[c.active]!, input, layer, c);
    streams = corrected.map((stream, j) => (j === 0 ? stream : g.add(stream, update)));
    joined = g.named(`layers.${i}.output`, joinStreams(g, streams));
  }
  const last = (y: Value): Value => g.rmsNorm(mergeStreams(g, y, w, c), w('norm'), c.eps);
  closeDecoder(g, frame, joined, last, head, text.number('final_logit_softcapping'));
  return g.finish();
}

/** Ids behind the text vocabulary (end of image, …) have embeddings in the space of their tower. */
function hardTokens(g: GraphBuilder, x: Value, ids: Value, w: WeightScope, section: Config): Value {
  const [start, count] = [section.count('vocab_offset'), section.count('vocab_size', 128)];
  const eps = section.number('rms_norm_eps', 1e-6);
  const embedded = g.embedding(ids, w('embedding').matrix(count, section.count('hidden_size')), 1, start);
  const normed = g.rmsNorm(embedded, w('hard_embedding_norm'), eps);
  const projected = g.linear(normed, w('embedding_projection'), x.width);
  return g.chooseRows(x, g.rmsNorm(projected, null, eps), ids, { start, count });
}

/** What each layer is given of the token and of its embedding, [rows, layers·perLayer]. Other ids than text's read row 0. */
function perLayerInputs(
  g: GraphBuilder,
  ids: Value,
  x: Value,
  w: WeightScope,
  c: Shape,
  vocab: number,
): Value {
  const groups = c.inner.length;
  const table = w('embed_tokens_per_layer');
  const scale = roundedTo(table.dtype, Math.sqrt(c.perLayer));
  const embedded = g.embedding(ids, table.matrix(vocab, groups * c.perLayer), scale);
  const projected = g.linear(x, w('per_layer_model_projection'), groups * c.perLayer);
  const scaled = g.scale(projected, c.hidden ** -0.5);
  const normed = g.rmsNorm(scaled, w('per_layer_projection_norm'), c.eps, { groups });
  return g.scale(g.add(normed, embedded), Math.SQRT1_2);
}

/** x[rows, hidden] of the corrected active stream → what the other streams gain, [rows, hidden] */
function perLayerUpdate(g: GraphBuilder, x: Value, input: Value, w: WeightScope, c: Shape): Value {
  const scaled = c.correctScale ? g.mul(x, w('altup.correct_output_scale').parameter([c.hidden])) : x;
  const gate = g.linear(scaled, w('per_layer_input_gate'), c.perLayer);
  const gated = g.gatedActivation(gate, input, ACTIVATION);
  return g.rmsNorm(
    g.linear(gated, w('per_layer_projection'), c.hidden),
    w('post_per_layer_input_norm'),
    c.eps,
  );
}

/** The layer itself, on the predicted active stream. x[rows, hidden] → [rows, hidden] */
function active(g: GraphBuilder, x: Value, w: WeightScope, c: Shape, rope: Value, i: number): Value {
  const norm = (y: Value, name: string): Value => g.rmsNorm(y, w(name), c.eps);
  const h = norm(x, 'input_layernorm');
  const low = g.linear(h, w('laurel.linear_left'), c.laurelRank);
  const laurel = norm(g.linear(low, w('laurel.linear_right'), c.hidden), 'laurel.post_laurel_norm');
  const attended = g.add(x, norm(attention(g, h, w, c, rope, i), 'post_attention_layernorm'));
  const both = g.scale(g.add(attended, g.add(h, laurel)), Math.SQRT1_2);
  const fed = mlp(g, norm(both, 'pre_feedforward_layernorm'), w, c, i);
  return g.add(both, norm(fed, 'post_feedforward_layernorm'));
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
