// Qwen2-VL's image processor, used by every Qwen VL: smart resize, then rows of patches in merge-block order, so that
// each merge_size² consecutive rows become one token.
import { AfterimageError } from '../../errors.js';
import { resize } from '../../image/resize.js';
import { FRAMES_A_MOMENT, type RgbImage } from '../../image/rgb-image.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { Config } from '../checkpoint/config.js';
import type { ImagePlan, NamedTensor, Processor } from '../family.js';
import {
  channelTables,
  crop,
  framedRows,
  pixelStep,
  normalization,
  patchRows,
  resampleFilter,
} from './pixels.js';
import { frameSize, momentLayout, timelineLimits, type QwenTimeline } from './qwen-timeline.js';
import { roundHalfEven, smartResize, withinPixels, type PixelLimits, type Size } from './smart-resize.js';
import { imageTokens } from './placeholder.js';
import { tensorFilter, tensorResize } from './tensor-resize.js';

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
  /** Absent where the family sees none. */
  timeline?: QwenTimeline;
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
  const unit = patch * merge;
  const timeline = copies === FRAMES_A_MOMENT ? options.timeline : undefined;
  const momentLimits = timeline && timelineLimits(checkpoint, timeline);
  // What the video processor does not say is as for images.
  const ofMoments = new Config({ ...settings.raw(), ...checkpoint.videoProcessor }, settings.where);
  const momentTables = channelTables(ofMoments);
  const momentFilter = tensorFilter(ofMoments, 'bicubic');
  const planOf = (
    viewed: Size,
  ): Omit<ImagePlan, 'placeholder' | 'grid'> & { grid: NonNullable<ImagePlan['grid']> } => {
    const extent = { rows: viewed.height / patch, columns: viewed.width / patch, merge };
    return {
      tokens: (extent.rows * extent.columns) / merge ** 2,
      viewedWidth: viewed.width,
      viewedHeight: viewed.height,
      grid: { t: 1, h: extent.rows / merge, w: extent.columns / merge },
      symbols: { patches: extent.rows * extent.columns, ...options.symbols?.(extent) },
      layout: { image_grid_thw: [1, extent.rows, extent.columns] },
    };
  };
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
      ...(timeline && {
        timeline,
        moments: { limits: momentLimits, filter: momentFilter, settings: normalization(ofMoments) },
      }),
    }),
    pixelStep: pixelStep(tables),
    plan(width, height) {
      const size = enlarged({ width, height }, unit, options);
      checkShape(size, { width, height });
      const plan = planOf(withinPixels(smartResize(size, unit, limits), maxPixels, unit));
      return { ...plan, placeholder: imageTokens(options.imageToken, plan.tokens) };
    },
    ...(timeline &&
      momentLimits && {
        planMoment(width, height, moment) {
          const size = timeline.told ? atLeast({ width, height }, unit) : { width, height };
          checkShape(size, { width, height });
          const viewed = frameSize(size, unit, momentLimits, moment, timeline);
          const plan = planOf(withinPixels(viewed, maxPixels, unit));
          const { grid, ...placed } = momentLayout(timeline, moment, plan.tokens);
          const layout = { video_grid_thw: plan.layout.image_grid_thw };
          return { ...plan, ...placed, layout, grid: { ...plan.grid, ...grid } };
        },
      }),
    inputs(image, plan) {
      const extent = { rows: plan.viewedHeight / patch, columns: plan.viewedWidth / patch, merge };
      const corners = mergeOrder({ ...extent, merge: options.raster ? 1 : merge }).map(
        ([row, column]): [number, number] => [column * patch, row * patch],
      );
      const { viewedWidth: width, viewedHeight: height } = plan;
      const pixels = plan.moment
        ? framedRows(
            framesOf(image).map((frame) => {
              const viewed = tensorResize(frame, width, height, momentFilter);
              return patchRows(viewed, momentTables, corners, patch);
            }),
            patch * patch,
          )
        : patchRows(resize(image, width, height, filter), tables, corners, patch, copies);
      return { pixel_values: pixels, ...options.tables(extent) };
    },
    limitedTo: (most) => within(Math.min(most, maxPixels)),
  });
  return within();
}

/** @throws AfterimageError IMAGE_UNSUPPORTED @param given As it came. */
function checkShape(size: Size, given: Size): void {
  if (Math.max(size.width, size.height) / Math.min(size.width, size.height) <= MAX_ASPECT_RATIO) return;
  throw new AfterimageError(
    'IMAGE_UNSUPPORTED',
    `An image of ${given.width}×${given.height} pixels is too narrow: one side may be at most ${MAX_ASPECT_RATIO} times the other; crop it.`,
  );
}

/** Of a picture of frames, one above the other. */
function framesOf(image: RgbImage): RgbImage[] {
  const height = image.height / FRAMES_A_MOMENT;
  return Array.from({ length: FRAMES_A_MOMENT }, (_, i) => crop(image, 0, i * height, image.width, height));
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
