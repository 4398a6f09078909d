// LFM2-VL: a SigLIP 2 tower over tiles of any shape (Tschannen et al. 2025, https://arxiv.org/abs/2502.14786) and a
// decoder of short convolutions with a few attention layers (Liquid AI 2025, https://arxiv.org/abs/2511.23404).
import { GraphBuilder, rowsOf, type ActivationName, type Value } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { closeDecoder, openDecoder } from './decoders/decoder-frame.js';
import type { Family, Model, NamedTensor } from './family.js';
import { antialiasedTaps, tableSide, type Taps } from './towers/position-tables.js';
import { lfm2ImageProcessor, type Frame } from './processors/lfm2-image.js';
import { floatTensor, indexTensor } from './processors/pixels.js';
import { mergeOrder } from './processors/qwen-image.js';
import { inverseFrequencies, ropeSettings } from './rope.js';
import { siglipBlocks, siglipShape } from './towers/siglip.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { outputHead, weightScope, type WeightScope } from './checkpoint/weights.js';
import { imageTokens } from './processors/placeholder.js';

const IMAGE_TOKEN = '<image>';

export const lfm2Vl: Family = {
  modelTypes: ['lfm2_vl', 'lfm2-vl'],
  bestAt: 'small and quick',
  checkpoints: [
    { name: 'LiquidAI/LFM2-VL-450M', parameters: 450_822_656, towerParameters: 85_843_200 },
    { name: 'LiquidAI/LFM2-VL-1.6B', parameters: 1_584_804_000, towerParameters: 412_649_712 },
  ],
  build(checkpoint): Model {
    const config = new Config(checkpoint.config, 'config.json');
    const text = config.section('text_config');
    const side = tableSide(config.section('vision_config').count('num_patches', 256));
    const factor = config.count('downsample_factor', 2);
    return {
      modelType: 'lfm2_vl',
      vision: visionEncoder(checkpoint, config, side, factor),
      decoder: decoder(checkpoint, config, text),
      processor: lfm2ImageProcessor(new Config(checkpoint.imageProcessor, 'preprocessor_config.json'), {
        placeholder,
        tables: (frames) => frameTables(frames, side, factor),
        symbols: (frames) => ({ stretched: stretchedRows(frames, side) }),
      }),
      positionAxes: 1,
      imagePlaceholder: IMAGE_TOKEN,
      imageToken: IMAGE_TOKEN,
      imageTokenId: imageTokenId(checkpoint, IMAGE_TOKEN, 'image_token_id', 'image_token_index'),
      visibility: 'causal',
      eosTokenIds: stopTokenIds(checkpoint, '<|im_end|>'),
      boxes: null,
      contextLength: text.count('max_position_embeddings', 128000),
    };
  },
};

const visionWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(
    checkpoint,
    [
      'model.vision_tower.vision_model.',
      'vision_tower.',
      'model.vision_tower.',
      'vision_tower.vision_model.',
    ],
    'embeddings.patch_embedding',
  );
const projectorWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['model.multi_modal_projector.', 'multi_modal_projector.'], 'linear_1');
const textWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(checkpoint, ['model.language_model.', 'language_model.model.'], 'embed_tokens');

/** Tiles behind their row and column, then the thumbnail behind its marker. */
function placeholder(rows: number, columns: number, tokens: number[]): string {
  const frames = tokens.map((count) => imageTokens(IMAGE_TOKEN, count));
  const tiled = rows * columns > 1;
  const marker = (i: number): string => {
    if (!tiled) return '';
    return i < rows * columns
      ? `<|img_row_${Math.floor(i / columns) + 1}_col_${(i % columns) + 1}|>`
      : '<|img_thumbnail|>';
  };
  return `<|image_start|>${frames.map((frame, i) => marker(i) + frame).join('')}<|image_end|>`;
}

/** Rows of the position table stretched to each frame's height, all columns kept. */
const stretchedRows = (frames: Frame[], side: number): number =>
  frames.reduce((sum, { rows }) => sum + rows * side, 0);

/** The position table is stretched downwards, then across: two steps of at most `side` taps. */
function frameTables(frames: Frame[], side: number, factor: number): Record<string, NamedTensor> {
  const [down, across]: [Taps[], Taps[]] = [[], []];
  const [blocks, boundaries] = [[] as number[], [0]];
  let stretched = 0;
  for (const { rows, columns } of frames) {
    const first = boundaries.at(-1)!;
    for (let row = 0; row < rows; row++) {
      const taps = antialiasedTaps(row, rows, side);
      for (let c = 0; c < side; c++)
        down.push(taps.map(({ index, weight }) => ({ index: index * side + c, weight })));
      for (let column = 0; column < columns; column++) {
        across.push(
          antialiasedTaps(column, columns, side).map(({ index, weight }) => ({
            index: stretched + row * side + index,
            weight,
          })),
        );
      }
    }
    blocks.push(
      ...mergeOrder({ rows, columns, merge: factor }).map(([row, column]) => first + row * columns + column),
    );
    boundaries.push(first + rows * columns);
    stretched += rows * side;
  }
  return {
    segments: indexTensor(boundaries),
    block_order: indexTensor(blocks),
    ...tapTensors('down', down, side),
    ...tapTensors('across', across, side),
  };
}

/** Taps padded to `width` with weight 0, of a row that is read anyway: another tile's would tie the two together. */
function tapTensors(name: string, rows: Taps[], width: number): Record<string, NamedTensor> {
  const index = new Int32Array(rows.length * width);
  const weight = new Float32Array(rows.length * width);
  rows.forEach((taps, r) => {
    index.fill(taps[0]!.index, r * width, (r + 1) * width);
    taps.forEach((tap, t) => ([index[r * width + t], weight[r * width + t]] = [tap.index, tap.weight]));
  });
  return { [`${name}_index`]: indexTensor(index, width), [`${name}_weight`]: floatTensor(weight, width) };
}

function visionEncoder(checkpoint: Checkpoint, config: Config, side: number, factor: number): Program {
  const g = new GraphBuilder('vision');
  const w = visionWeights(checkpoint);
  const c = siglipShape(config.section('vision_config'));
  const patches = rowsOf('patches');
  const pixels = g.input('pixel_values', { rows: patches, width: 3 * c.patch_size ** 2 });
  const table = w('embeddings.position_embedding').matrix(side * side, c.hidden_size);
  const stretched = stretch(g, 'down', table, 'stretched', side); // [Σ rows·side, width]
  const positions = stretch(g, 'across', stretched, 'patches', side); // [patches, width]
  const embedded = g.linear(pixels, w('embeddings.patch_embedding'), c.hidden_size, { bias: true });
  const x = siglipBlocks(g, g.add(embedded, positions), w, c);
  const order = g.input('block_order', { rows: patches, width: 1, dtype: 'i32' });
  g.output('features', project(g, g.regroup(g.gatherRows(x, order), factor * factor), checkpoint, config));
  return g.finish();
}

function stretch(
  g: GraphBuilder,
  name: string,
  table: Parameters<GraphBuilder['weightedRows']>[0],
  rows: string,
  taps: number,
): Value {
  const index = g.input(`${name}_index`, { rows: rowsOf(rows), width: taps, dtype: 'i32' });
  const weight = g.input(`${name}_weight`, { rows: rowsOf(rows), width: taps });
  return g.weightedRows(table, index, weight);
}

const PROJECTOR_NORM_EPS = 1e-5;

/** [tokens, factor²·width] → [tokens, hidden] */
function project(g: GraphBuilder, x: Value, checkpoint: Checkpoint, config: Config): Value {
  const w = projectorWeights(checkpoint);
  const bias = config.boolean('projector_bias', true);
  const normed = config.boolean('projector_use_layernorm', w('layer_norm').exists)
    ? g.layerNorm(x, w('layer_norm'), PROJECTOR_NORM_EPS)
    : x;
  const inner = g.linear(normed, w('linear_1'), config.count('projector_hidden_size'), { bias });
  const activation = config.string('projector_hidden_act', 'gelu') as ActivationName;
  return g.linear(
    g.activation(inner, activation),
    w('linear_2'),
    config.section('text_config').count('hidden_size'),
    { bias },
  );
}

interface DecoderShape {
  hidden: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  inner: number;
  eps: number;
  kernel: number;
  convBias: boolean;
}

function decoder(checkpoint: Checkpoint, config: Config, text: Config): Program {
  const g = new GraphBuilder('decoder');
  const w = textWeights(checkpoint);
  const c = decoderShape(text);
  const attending = attentionLayers(text);
  const frame = openDecoder(g, w('embed_tokens').matrix(text.count('vocab_size'), c.hidden));
  const rope = g.ropeTable(frame.positions, {
    invFreq: inverseFrequencies(ropeSettings(text, { theta: 1e6 }), c.headDim),
  });
  let x = frame.x;
  for (let i = 0; i < text.parts('num_hidden_layers'); i++) {
    const layer: WeightScope = (name) => w(`layers.${i}.${name}`);
    const h = g.rmsNorm(x, layer('operator_norm'), c.eps);
    x = g.add(x, attending.has(i) ? attention(g, h, layer, c, rope) : shortConvolution(g, h, layer, c));
    const f = g.rmsNorm(x, layer('ffn_norm'), c.eps);
    const gated = g.gatedActivation(
      g.linear(f, layer('feed_forward.w1'), c.inner),
      g.linear(f, layer('feed_forward.w3'), c.inner),
      'silu',
    );
    x = g.named(`layers.${i}.output`, g.add(x, g.linear(gated, layer('feed_forward.w2'), c.hidden)));
  }
  const tied = config.boolean(
    'tie_word_embeddings',
    text.boolean(text.spelling('tie_embedding', 'tie_word_embeddings'), true),
  );
  const head = outputHead(checkpoint, w('embed_tokens'), tied);
  closeDecoder(
    g,
    frame,
    x,
    (y) => g.rmsNorm(y, w('embedding_norm'), c.eps),
    head.matrix(text.count('vocab_size'), c.hidden),
  );
  return g.finish();
}

function decoderShape(text: Config): DecoderShape {
  const hidden = text.count('hidden_size');
  const heads = text.count('num_attention_heads');
  return {
    hidden,
    heads,
    kvHeads: text.count('num_key_value_heads', heads),
    headDim: text.count('head_dim', hidden / heads),
    inner: feedForwardWidth(text),
    eps: text.number('norm_eps', 1e-5),
    kernel: text.count('conv_L_cache', 3),
    convBias: text.boolean('conv_bias', false),
  };
}

/** Two thirds of the stated width, scaled, rounded up: configs state it as if the MLP had no gate. */
function feedForwardWidth(text: Config): number {
  const width = text.count(text.spelling('block_ff_dim', 'intermediate_size'));
  if (!text.boolean('block_auto_adjust_ff_dim', true)) return width;
  const scaled = Math.trunc(text.number('block_ffn_dim_multiplier', 1) * Math.trunc((2 * width) / 3));
  const multiple = text.count('block_multiple_of', 256);
  return Math.ceil(scaled / multiple) * multiple;
}

function attentionLayers(text: Config): Set<number> {
  if (text.has('layer_types'))
    return new Set(text.strings('layer_types').flatMap((type, i) => (type === 'full_attention' ? [i] : [])));
  return new Set(text.numbers(text.spelling('full_attn_idxs', 'full_attention_layers')));
}

/** y = out(C · conv(B · x)), with B, C and x projections of the input. */
function shortConvolution(g: GraphBuilder, h: Value, w: WeightScope, c: DecoderShape): Value {
  const projected = g.linear(h, w('conv.in_proj'), 3 * c.hidden, { bias: c.convBias }); // B | C | x
  const [b, gate, x] = [0, 1, 2].map((part) => g.slice(projected, part * c.hidden, c.hidden)) as [
    Value,
    Value,
    Value,
  ];
  const kernel = w('conv.conv');
  const bias = c.convBias ? kernel.bias(c.hidden) : null;
  const mixed = g.shortConv(g.mul(b, x), kernel.depthwiseKernel(c.hidden, c.kernel), { bias });
  return g.linear(g.mul(gate, mixed), w('conv.out_proj'), c.hidden, { bias: c.convBias });
}

function attention(
  g: GraphBuilder,
  h: Value,
  w: WeightScope,
  { hidden, heads, kvHeads, headDim, eps }: DecoderShape,
  rope: Value,
): Value {
  const q = g.rmsNorm(g.linear(h, w('self_attn.q_proj'), heads * headDim), w('self_attn.q_layernorm'), eps, {
    groups: heads,
  });
  const k = g.rmsNorm(
    g.linear(h, w('self_attn.k_proj'), kvHeads * headDim),
    w('self_attn.k_layernorm'),
    eps,
    { groups: kvHeads },
  );
  const v = g.linear(h, w('self_attn.v_proj'), kvHeads * headDim);
  const o = g.attention(g.rope(q, rope, heads), g.rope(k, rope, kvHeads), v, {
    heads,
    kvHeads,
    kDim: headDim,
    scale: headDim ** -0.5,
  });
  return g.linear(o, w('self_attn.out_proj'), hidden);
}
