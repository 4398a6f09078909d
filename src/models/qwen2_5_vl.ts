// Qwen2.5-VL: Bai et al. 2025, https://arxiv.org/abs/2502.13923. The decoder, prompt and image size rule are Qwen2-VL's.
import { GraphBuilder, rowsOf, type ActivationName } from '../graph/builder.js';
import type { Program } from '../graph/program.js';
import { Config } from './checkpoint/config.js';
import type { Family, NamedTensor } from './family.js';
import { indexTensor } from './processors/pixels.js';
import { mergeOrder, qwenImageProcessor, type PatchExtent } from './processors/qwen-image.js';
import {
  merger,
  qwen2Decoder,
  QWEN2_TIMELINE,
  QWEN_IMAGE_TOKEN,
  qwenModel,
  visionWeights,
} from './qwen2_vl.js';
import { segmentInput, visionAttention, visionRope } from './towers/qwen.js';
import { inverseOrder, windowOrder } from './towers/window-order.js';
import type { WeightScope } from './checkpoint/weights.js';

export const qwen2_5Vl: Family = {
  modelTypes: ['qwen2_5_vl'],
  bestAt: 'screens, pointing',
  checkpoints: [
    { name: 'Qwen/Qwen2.5-VL-3B-Instruct', parameters: 3_754_622_976, towerParameters: 668_684_288 },
    { name: 'Qwen/Qwen2.5-VL-7B-Instruct', parameters: 8_292_166_656, towerParameters: 676_550_144 },
  ],
  build(checkpoint) {
    const config = new Config(checkpoint.config, 'config.json');
    const text = config.sectionOr('text_config', config);
    const vision = config.section('vision_config').withDefaults(VISION_DEFAULTS);
    const side = windowSide(vision);
    return qwenModel(checkpoint, {
      modelType: 'qwen2_5_vl',
      vision: visionEncoder(vision, text.count('hidden_size'), visionWeights(checkpoint)),
      decoder: qwen2Decoder(checkpoint),
      processor: qwenImageProcessor(checkpoint, {
        imageToken: QWEN_IMAGE_TOKEN,
        symbols: (extent) => ({
          image_segments: 2,
          window_segments: windowOrder(extent, side).boundaries.length,
        }),
        tables: (extent) => windowTables(extent, side),
        timeline: { ...QWEN2_TIMELINE, stepsPerSecond: vision.number('tokens_per_second') },
      }),
      boxes: { scale: 'viewed-pixels', lines: true },
    });
  },
};

const RMS_NORM_EPS = 1e-6;
/** Of the configuration class, but for hidden_size: its default fits no checkpoint. */
const VISION_DEFAULTS = {
  depth: 32,
  intermediate_size: 3420,
  num_heads: 16,
  patch_size: 14,
  spatial_merge_size: 2,
  temporal_patch_size: 2,
  window_size: 112,
  fullatt_block_indexes: [7, 15, 23, 31],
  tokens_per_second: 4,
};

/** Window side in merged cells. */
const windowSide = (vision: Config): number =>
  Math.floor(vision.count('window_size') / vision.count('spatial_merge_size') / vision.count('patch_size'));

/** Everything runs in window order; only the merged tokens go back to raster order. */
function windowTables(extent: PatchExtent, side: number): Record<string, NamedTensor> {
  const { cells, boundaries } = windowOrder(extent, side);
  const unit = extent.merge ** 2;
  const patchOrder = cells.flatMap((cell) => Array.from({ length: unit }, (_, i) => cell * unit + i));
  const places = mergeOrder(extent);
  return {
    patch_order: indexTensor(patchOrder),
    patch_positions: indexTensor(
      patchOrder.flatMap((patch) => places[patch]!),
      2,
    ),
    token_order: indexTensor(inverseOrder(cells)),
    image_segments: indexTensor([0, places.length]),
    window_segments: indexTensor(boundaries),
  };
}

function visionEncoder(config: Config, hidden: number, w: WeightScope): Program {
  const g = new GraphBuilder('vision');
  const width = config.count('hidden_size');
  const heads = config.count('num_heads');
  const inner = config.count('intermediate_size');
  const activation = config.string('hidden_act', 'silu') as ActivationName;
  const patch = config.count('patch_size');
  const merge = config.count('spatial_merge_size');
  const channels = config.count(config.spelling('in_channels', 'in_chans'), 3);
  const frames = config.count('temporal_patch_size');
  const unwindowed = config.numbers('fullatt_block_indexes');

  const patches = rowsOf('patches');
  const pixels = g.input('pixel_values', { rows: patches, width: channels * frames * patch * patch });
  const patchOrder = g.input('patch_order', { rows: patches, width: 1, dtype: 'i32' });
  const positions = g.input('patch_positions', { rows: patches, width: 2, dtype: 'i32' });
  const tokenOrder = g.input('token_order', {
    rows: rowsOf('patches', 1, merge * merge),
    width: 1,
    dtype: 'i32',
  });
  const [image, windows] = [segmentInput(g, 'image_segments'), segmentInput(g, 'window_segments')];
  const rope = visionRope(g, positions, width / heads);

  const embedded = g.matmul(
    pixels,
    w('patch_embed.proj').patchKernel(width, channels, [frames, patch, patch]),
  );
  let x = g.gatherRows(embedded, patchOrder); // [patches, width], window order
  for (let i = 0; i < config.parts('depth'); i++) {
    const block: WeightScope = (name) => w(`blocks.${i}.${name}`);
    const segments = unwindowed.includes(i) ? image : windows;
    x = g.add(
      x,
      visionAttention(g, g.rmsNorm(x, block('norm1'), RMS_NORM_EPS), block, heads, rope, segments),
    );
    const f = g.rmsNorm(x, block('norm2'), RMS_NORM_EPS);
    const gate = g.linear(f, block('mlp.gate_proj'), inner, { bias: true });
    const up = g.linear(f, block('mlp.up_proj'), inner, { bias: true });
    x = g.add(
      x,
      g.linear(g.gatedActivation(gate, up, activation), block('mlp.down_proj'), width, { bias: true }),
    );
    g.named(`blocks.${i}.output`, x);
  }
  const merged = merger(g, g.rmsNorm(x, w('merger.ln_q'), RMS_NORM_EPS), w, merge, hidden);
  g.output('features', g.gatherRows(merged, tokenOrder));
  return g.finish();
}
