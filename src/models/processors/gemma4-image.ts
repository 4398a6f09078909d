// Gemma 4's image processor: every image is scaled, up or down, to fill a budget of soft tokens; k × k patches make one
// token. Patches are flattened row, column, channel.
import { AfterimageError } from '../../errors.js';
import { resize, type ResizeFilter } from '../../image/resize.js';
import type { RgbImage } from '../../image/rgb-image.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { Config } from '../checkpoint/config.js';
import type { ImagePlan, NamedTensor, Processor } from '../family.js';
import {
  channelTables,
  normalization,
  pixelColumns,
  pixelStep,
  rasterCorners,
  resampleFilter,
  type PatchGrid,
} from './pixels.js';
import type { Size } from './smart-resize.js';

export interface Gemma4ImageOptions {
  /** Patches are as large as tokens: the vision program does not pool them. */
  merged: boolean;
  resize: (image: RgbImage, width: number, height: number, filter: ResizeFilter) => RgbImage;
  placeholder: (tokens: number) => string;
  symbols: (patches: number, tokens: number) => ImagePlan['symbols'];
  /** What the vision program reads besides pixels; `pool` patches a side make one token. */
  tables: (grid: PatchGrid, pool: number) => Record<string, NamedTensor>;
}

/** Token budgets the models are trained with; files name one of them. */
const BUDGETS = [70, 140, 280, 560, 1120];

export function gemma4ImageProcessor(checkpoint: Checkpoint, options: Gemma4ImageOptions): Processor {
  const settings = new Config(checkpoint.imageProcessor, 'processor_config.json');
  const pool = settings.count('pooling_kernel_size', 3);
  const side = settings.count('patch_size', 16) * pool;
  const filter = resampleFilter(settings, 'bicubic');
  const tables = channelTables(settings);
  const patch = options.merged ? side : side / pool;
  const within = (budget: number, maxPixels = Infinity): Processor => ({
    identity: JSON.stringify({
      rule: 'gemma4',
      patch,
      pool,
      budget,
      maxPixels,
      filter,
      settings: normalization(settings),
    }),
    pixelStep: pixelStep(tables),
    plan(width, height) {
      const viewed = limitedFilling({ width, height }, budget, side, maxPixels);
      const tokens = (viewed.width / side) * (viewed.height / side);
      const [rows, columns] = [viewed.height / patch, viewed.width / patch];
      return {
        tokens,
        viewedWidth: viewed.width,
        viewedHeight: viewed.height,
        symbols: options.symbols(rows * columns, tokens),
        placeholder: options.placeholder(tokens),
        layout: { patch_grids: [rows, columns] },
      };
    },
    inputs(image, { viewedWidth, viewedHeight }) {
      const viewed = options.resize(image, viewedWidth, viewedHeight, filter);
      const grid = { rows: viewedHeight / patch, columns: viewedWidth / patch, patch };
      return {
        pixel_values: pixelColumns(viewed, tables, rasterCorners(grid), patch),
        ...options.tables(grid, pool),
      };
    },
    limitedTo: (most) => within(budget, Math.min(most, maxPixels)),
    budgets: { tokens: BUDGETS, at: (tokens) => within(tokens, maxPixels) },
  });
  return within(settings.count('max_soft_tokens', 280));
}

/** The largest size of about the same shape whose sides are whole tokens and which has at most `budget` of them. */
function filling(image: Size, budget: number, side: number): Size {
  const factor = Math.sqrt((budget * side ** 2) / (image.height * image.width));
  const [rows, columns] = [image.height, image.width].map((length) => Math.floor((factor * length) / side));
  if (rows! > 0 && columns! > 0) return { width: columns! * side, height: rows! * side };
  const long = (ratio: number): number => Math.min(Math.floor(ratio), budget) * side;
  if (columns! > 0) return { width: long(image.width / image.height), height: side };
  if (rows! > 0) return { width: side, height: long(image.height / image.width) };
  throw new AfterimageError(
    'IMAGE_UNSUPPORTED',
    `An image of ${image.width}×${image.height} pixels cannot be shown in ${budget} tokens; use a larger --image-tokens.`,
  );
}

/** The same, filling no more than `maxPixels`: then not as the model is trained to see. */
function limitedFilling(image: Size, budget: number, side: number, maxPixels: number): Size {
  const own = filling(image, budget, side);
  if (own.width * own.height <= maxPixels) return own;
  return filling(image, Math.max(1, Math.min(budget, Math.floor(maxPixels / side ** 2))), side);
}

/** The patches that each token is the mean of: k × k of them, tokens in raster order. */
export function poolingCells({ rows, columns }: PatchGrid, pool: number): number[] {
  return Array.from({ length: (rows / pool) * (columns / pool) }, (_, token) => {
    const perRow = columns / pool;
    const first = Math.floor(token / perRow) * pool * columns + (token % perRow) * pool;
    return Array.from({ length: pool * pool }, (_, i) => first + Math.floor(i / pool) * columns + (i % pool));
  }).flat();
}

export const plainResize = (
  image: RgbImage,
  width: number,
  height: number,
  filter: ResizeFilter,
): RgbImage =>
  image.width === width && image.height === height ? image : resize(image, width, height, filter);
