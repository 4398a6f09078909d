// Qwen2-VL's image processor, used by every Qwen VL: smart resize, then rows of patches in merge-block order, so that
// each merge_size² consecutive rows become one token.
import { AfterimageError } from '../../errors.js';
import { resize } from '../../image/resize.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { Config } from '../checkpoint/config.js';
import type { NamedTensor, Processor } from '../family.js';
import { channelTables, pixelStep, normalization, patchRows, resampleFilter } from './pixels.js';
import { roundHalfEven, smartResize, withinPixels, type PixelLimits, type Size } from './smart-resize.js';
import { imageTokens } from './placeholder.js';

/** Patches of one image. */
export interface PatchExtent {
  rows: number;
  columns: number;
  merge: number;
}

export interface QwenImageOptions {
  imageToken: string;
  /** Index tables of the vision program for an image of this extent. */
  tables: (extent: PatchExtent) => Record<string, NamedTensor>;
  /** Row counts of those tables that do not follow from "patches". */
  symbols?: (extent: PatchExtent) => Record<string, number>;
  /** GLM's rule: a side below one token is first enlarged to one, and limits count both frames of the temporal patch. */
  volumes?: boolean;
  /** PaddleOCR's: patches row by row, and the other side of one that is enlarged is rounded. */
  raster?: boolean;
}

/** Class default of the reference, for checkpoints that give no limits. */
const DEFAULT_LIMITS: PixelLimits = { minPixels: 56 * 56, maxPixels: 28 * 28 * 1280 };
const MAX_ASPECT_RATIO = 200;
/** Copies of an image in one temporal patch: every model has two. */
const MOST_FRAMES = 16;

export function qwenImageProcessor(checkpoint: Checkpoint, options: QwenImageOptions): Processor {
  const settings = new Config(checkpoint.imageProcessor, 'preprocessor_config.json');
  const patch = settings.count('patch_size');
  const merge = settings.count('merge_size');
  const copies = settings.parts('temporal_patch_size', undefined, MOST_FRAMES);
  const filter = resampleFilter(settings, 'bicubic');
  const limits = pixelLimits(settings, options.volumes ? copies : 1);
  const tables = channelTables(settings);
  const within = (maxPixels = Infinity): Processor => ({
    identity: JSON.stringify({
      rule: options.volumes ? 'glm46v' : options.raster ? 'paddleocr_vl' : 'qwen2_vl',
      patch,
      merge,
      copies,
      limits,
      maxPixels,
      filter,
      settings: normalization(settings),
    }),
    pixelStep: pixelStep(tables),
    plan(width, height) {
      const unit = patch * merge;
      const size = enlarged({ width, height }, unit, options);
      if (Math.max(size.width, size.height) / Math.min(size.width, size.height) > MAX_ASPECT_RATIO) {
        throw new AfterimageError(
          'IMAGE_UNSUPPORTED',
          `An image of ${width}×${height} pixels is too narrow: one side may be at most ${MAX_ASPECT_RATIO} times the other; crop it.`,
        );
      }
      const viewed = withinPixels(smartResize(size, unit, limits), maxPixels, unit);
      const extent = { rows: viewed.height / patch, columns: viewed.width / patch, merge };
      const tokens = (extent.rows * extent.columns) / merge ** 2;
      return {
        tokens,
        viewedWidth: viewed.width,
        viewedHeight: viewed.height,
        grid: { t: 1, h: extent.rows / merge, w: extent.columns / merge },
        symbols: { patches: extent.rows * extent.columns, ...options.symbols?.(extent) },
        placeholder: imageTokens(options.imageToken, tokens),
        layout: { image_grid_thw: [1, extent.rows, extent.columns] },
      };
    },
    inputs(image, plan) {
      const extent = { rows: plan.viewedHeight / patch, columns: plan.viewedWidth / patch, merge };
      const viewed = resize(image, plan.viewedWidth, plan.viewedHeight, filter);
      const corners = mergeOrder({ ...extent, merge: options.raster ? 1 : merge }).map(
        ([row, column]): [number, number] => [column * patch, row * patch],
      );
      return { pixel_values: patchRows(viewed, tables, corners, patch, copies), ...options.tables(extent) };
    },
    limitedTo: (most) => within(Math.min(most, maxPixels)),
  });
  return within();
}

/** (row, column) of each patch: merge blocks row by row, inside a block row by row. */
export function mergeOrder({ rows, columns, merge }: PatchExtent): [row: number, column: number][] {
  const order: [number, number][] = [];
  for (let row = 0; row < rows; row += merge) {
    for (let column = 0; column < columns; column += merge) {
      for (let y = 0; y < merge; y++) for (let x = 0; x < merge; x++) order.push([row + y, column + x]);
    }
  }
  return order;
}

/** `min_pixels`/`max_pixels`, or the same areas under `size` in newer files; there they may count `frames` frames. */
function pixelLimits(settings: Config, frames: number): PixelLimits {
  const size = settings.sectionOr('size', settings);
  return {
    minPixels: settings.has('min_pixels')
      ? settings.count('min_pixels')
      : size.count('shortest_edge', DEFAULT_LIMITS.minPixels * frames) / frames,
    maxPixels: settings.has('max_pixels')
      ? settings.count('max_pixels')
      : size.count('longest_edge', DEFAULT_LIMITS.maxPixels * frames) / frames,
  };
}

function enlarged(size: Size, unit: number, { volumes, raster }: QwenImageOptions): Size {
  if (volumes) return atLeast(size, unit);
  return raster ? unitAtLeast(size, unit) : size;
}

/** First the height, then the width is made one unit where it is less, and the other side follows. */
function unitAtLeast({ width, height }: Size, unit: number): Size {
  const tall =
    height < unit ? { width: roundHalfEven((width * unit) / height), height: unit } : { width, height };
  return tall.width < unit ? { width: unit, height: roundHalfEven((tall.height * unit) / tall.width) } : tall;
}

/** An image whose shorter side is less than `unit`, enlarged until it is about that. */
function atLeast(size: Size, unit: number): Size {
  const scale = Math.max(unit / size.height, unit / size.width);
  if (scale <= 1) return size;
  return { width: Math.trunc(size.width * scale), height: Math.trunc(size.height * scale) };
}
