// MiniCPM-V 4.6: https://huggingface.co/openbmb/MiniCPM-V-4.6. A SigLIP tower that merges 2 × 2 patches after some of its
// blocks, over the whole image and its slices apart, before Qwen3.5's decoder with plain positions.
import { AfterimageError } from '../errors.js';
import { GraphBuilder, rowsOf, type Value } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { Config } from './checkpoint/config.js';
import { imageTokenId, stopTokenIds } from './checkpoint/special-tokens.js';
import { weightScope, type WeightScope } from './checkpoint/weights.js';
import type { Family, NamedTensor } from './family.js';
import { miniCpmImageProcessor, type ViewExtent } from './processors/minicpm-image.js';
import { indexTensor } from './processors/pixels.js';
import { imageTokens } from './processors/placeholder.js';
import { qwen3_5Decoder } from './qwen3_5.js';
import { segmentInput } from './towers/qwen.js';
import { siglipAttention, siglipBlock, siglipShape, type SiglipShape } from './towers/siglip.js';

const IMAGE_TOKEN = '<|image_pad|>';
/** Patches a side that each of the two mergers makes one of. */
const MERGE = 2;
const BLOCK = MERGE * MERGE;

export const miniCpmV46: Family = {
  modelTypes: ['minicpmv4_6'],
  bestAt: 'general, small',
  checkpoints: [{ name: 'openbmb/MiniCPM-V-4.6', parameters: 1_300_428_016, towerParameters: 522_299_312 }],
  build(checkpoint) {
    const config = new Config(checkpoint.config, 'config.json');
    const text = config.section('text_config');
    const vision = config.section('vision_config');
    const shape = siglipShape(vision);
    const mode = config.string('downsample_mode', '16x');
    if (mode !== '16x') {
      throw new AfterimageError(
        'MODEL_UNSUPPORTED',
        `"downsample_mode" "${mode}" is not supported; "16x" is: openbmb/MiniCPM-V-4.6.`,
      );
    }
    const side = Math.floor(vision.count('image_size', 980) / shape.patch_size);
    const inserted = config.number('insert_layer_id', 6);
    return {
      modelType: 'minicpmv4_6',
      vision: visionEncoder(checkpoint, shape, side, inserted, text.count('hidden_size')),
      decoder: qwen3_5Decoder(checkpoint, config, 1),
      processor: miniCpmImageProcessor(checkpoint, {
        patch: shape.patch_size,
        merge: BLOCK,
        placeholder,
        numbered: ['<image_id>', '</image_id>'],
        symbols: (views) => ({
          patches: patchesOf(views),
          segments: views.length + 1,
          windows: patchesOf(views) / BLOCK + 1,
        }),
        tables: (views) => tablesOf(views, side),
      }),
      positionAxes: 1,
      imagePlaceholder: IMAGE_TOKEN,
      imageToken: IMAGE_TOKEN,
      imageTokenId: imageTokenId(checkpoint, IMAGE_TOKEN, 'image_token_id'),
      visibility: 'causal',
      eosTokenIds: stopTokenIds(checkpoint, '<|im_end|>'),
      boxes: null,
      contextLength: text.count('max_position_embeddings', 262144),
    };
  },
};

function placeholder(whole: number, slices: number[][]): string {
  const marked = (mark: string, tokens: number): string =>
    `<${mark}>${imageTokens(IMAGE_TOKEN, tokens)}</${mark}>`;
  const rows = slices.map((row) => row.map((tokens) => marked('slice', tokens)).join(''));
  return marked('image', whole) + rows.join('\n');
}

const patchesOf = (views: ViewExtent[]): number =>
  views.reduce((sum, { rows, columns }) => sum + rows * columns, 0);

/** Patches come view by view in raster order; `block_order` has those of a token together, and of these those of a window. */
function tablesOf(views: ViewExtent[], side: number): Record<string, NamedTensor> {
  const ids: number[] = [];
  const order: number[] = [];
  const ends = [0];
  for (const { rows, columns } of views) {
    const first = ids.length;
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        ids.push(bucket(row, rows, side) * side + bucket(column, columns, side));
    order.push(...nested(rows, columns).map((patch) => first + patch));
    ends.push(ids.length);
  }
  const windows = Array.from({ length: ids.length / BLOCK + 1 }, (_, i) => i * BLOCK);
  return {
    position_index: indexTensor(ids),
    block_order: indexTensor(order),
    segments: indexTensor(ends),
    windows: indexTensor(windows),
    merged_segments: indexTensor(ends.map((end) => end / BLOCK)),
  };
}

/** Which of the table's rows a place is read at: the nearest below, in single precision as the reference computes. */
function bucket(i: number, n: number, side: number): number {
  const at = Math.fround(Math.fround(i) * Math.fround(1 / n));
  let found = 0;
  while (found + 1 < side && Math.fround((found + 1) / side) <= at) found++;
  return found;
}

/** Patches of 4 × 4 blocks one after the other, in each those of its 2 × 2 windows together. */
function nested(rows: number, columns: number): number[] {
  const order: number[] = [];
  const corners = (top: number, left: number, step: number): [number, number][] => [
    [top, left],
    [top, left + step],
    [top + step, left],
    [top + step, left + step],
  ];
  for (let top = 0; top < rows; top += BLOCK)
    for (let left = 0; left < columns; left += BLOCK)
      for (const [y, x] of corners(top, left, MERGE))
        for (const [row, column] of corners(y, x, 1)) order.push(row * columns + column);
  return order;
}

function visionEncoder(
  checkpoint: Checkpoint,
  c: SiglipShape,
  side: number,
  inserted: number,
  hidden: number,
): Program {
  const g = new GraphBuilder('vision');
  const patches = rowsOf('patches');
  const w = weightScope(checkpoint, ['model.vision_tower.', 'vision_tower.'], 'embeddings.patch_embedding');
  const pixels = g.input('pixel_values', { rows: patches, width: 3 * c.patch_size ** 2 });
  const index = g.input('position_index', { rows: patches, width: 1, dtype: 'i32' });
  const order = g.input('block_order', { rows: patches, width: 1, dtype: 'i32' });
  const segments = segmentInput(g, 'segments');
  const merged = g.input('merged_segments', { rows: rowsOf('segments'), width: 1, dtype: 'i32' });

  const embed = w('embeddings.patch_embedding');
  const kernel = embed.patchKernel(c.hidden_size, 3, [c.patch_size, c.patch_size]);
  const table = w('embeddings.position_embedding').matrix(side * side, c.hidden_size);
  const placed = g.add(g.matmul(pixels, kernel, embed.bias(c.hidden_size)), g.embedding(index, table));
  let x = g.gatherRows(placed, order);
  for (let i = 0; i < c.num_hidden_layers; i++) {
    x = siglipBlock(g, x, w, c, i, { segments: i <= inserted ? segments : merged });
    if (i === inserted) x = windowMerger(g, x, windowWeights(checkpoint), c);
  }
  const seen = g.layerNorm(x, w('post_layernorm'), c.layer_norm_eps);

  const m = weightScope(checkpoint, ['model.merger.mlp.0.', 'merger.mlp.0.'], 'linear_1');
  const blocks = g.layerNorm(g.regroup(seen, BLOCK), m('pre_norm'), c.layer_norm_eps); // [tokens, 4·width]
  const inner = g.activation(g.linear(blocks, m('linear_1'), blocks.width, { bias: true }), 'gelu');
  g.output('features', g.linear(inner, m('linear_2'), hidden, { bias: true }));
  return g.finish();
}

const windowWeights = (checkpoint: Checkpoint): WeightScope =>
  weightScope(
    checkpoint,
    ['model.vision_tower.vit_merger.', 'vision_tower.vit_merger.', 'vit_merger.'],
    'linear_1',
  );

/** Attention inside each window, then its four rows as one, beside their mean. [rows, width] → [rows / 4, width] */
function windowMerger(g: GraphBuilder, x: Value, w: WeightScope, c: SiglipShape): Value {
  const { hidden_size: width, layer_norm_eps: eps } = c;
  const windows = segmentInput(g, 'windows');
  const normed = g.layerNorm(x, w('layer_norm1'), eps);
  const y = g.regroup(g.add(x, siglipAttention(g, normed, w, c, { segments: windows })), BLOCK); // [rows / 4, 4·width]
  const inner = g.linear(g.layerNorm(y, w('pre_norm'), eps), w('linear_1'), BLOCK * c.intermediate_size, {
    bias: true,
  });
  const mixed = g.linear(g.activation(inner, 'gelu_tanh'), w('linear_2'), width, { bias: true });
  const parts = Array.from({ length: BLOCK }, (_, i) => g.slice(y, i * width, width));
  return g.add(
    mixed,
    g.scale(
      parts.reduce((a, b) => g.add(a, b)),
      1 / BLOCK,
    ),
  );
}
