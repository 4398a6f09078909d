// LFM2-VL's image processor: one image of bounded size, or, where that loses too much, a grid of square tiles of the
// nearest aspect ratio and a thumbnail.
import { AfterimageError } from '../../errors.js';
import { Config } from '../checkpoint/config.js';
import type { ImagePlan, NamedTensor, Processor } from '../family.js';
import type { RgbImage } from '../../image/rgb-image.js';
import {
  channelTables,
  crop,
  pixelStep,
  normalization,
  rasterCorners,
  type ChannelTables,
} from './pixels.js';
import { tensorFilter, tensorResize } from './tensor-resize.js';
import { roundHalfEven, smartResize, withinPixels, type PixelLimits, type Size } from './smart-resize.js';

export interface Lfm2ImageOptions {
  /** Text of an image of rows × columns tiles (1 × 1: no tiles), `tokens` per frame. */
  placeholder: (rows: number, columns: number, tokens: number[]) => string;
  /** Tables of the vision program for frames of these sizes. */
  tables: (frames: Frame[]) => Record<string, NamedTensor>;
  symbols: (frames: Frame[]) => Record<string, number>;
}

/** A tile, a thumbnail or a whole image, in patches. */
export interface Frame {
  rows: number;
  columns: number;
}

interface Limits {
  patch: number;
  factor: number;
  tile: number;
  tiles: [least: number, most: number];
  pixels: PixelLimits;
  tolerance: number;
  /** A limit beside the settings. */
  maxPixels: number;
  split: boolean;
  thumbnail: boolean;
  maxPatches: number;
}

export function lfm2ImageProcessor(settings: Config, options: Lfm2ImageOptions): Processor {
  return limitedProcessor(settings, readLimits(settings), options);
}

function limitedProcessor(settings: Config, limits: Limits, options: Lfm2ImageOptions): Processor {
  const filter = tensorFilter(settings, 'bilinear');
  const tables = channelTables(settings);
  const { patch, factor, tile } = limits;
  const frameOf = ({ width, height }: Size): Frame => ({ rows: height / patch, columns: width / patch });
  const layoutOf = (size: Size): { grid: Size | null; single: Size; frames: Frame[] } => {
    const single = withinPixels(smartResize(size, factor, limits.pixels, factor), limits.maxPixels, factor);
    const grid = tileGrid(size, limits);
    const tileFrames = grid
      ? Array<Frame>(grid.width * grid.height).fill(frameOf({ width: tile, height: tile }))
      : [];
    return {
      grid,
      single,
      frames: grid && !limits.thumbnail ? tileFrames : [...tileFrames, frameOf(single)],
    };
  };
  return {
    identity: JSON.stringify({ rule: 'lfm2_vl', limits, filter, settings: normalization(settings) }),
    pixelStep: pixelStep(tables),
    plan(width, height): ImagePlan {
      const { grid, single, frames } = layoutOf({ width, height });
      if (frames.length > 1) requireFit({ width, height }, frames, limits);
      const tokens = frames.map(
        ({ rows, columns }) => Math.ceil((rows * patch) / factor) * Math.ceil((columns * patch) / factor),
      );
      return {
        tokens: tokens.reduce((a, b) => a + b, 0),
        viewedWidth: grid ? grid.width * tile : single.width,
        viewedHeight: grid ? grid.height * tile : single.height,
        symbols: { patches: patchCount(frames), segments: frames.length + 1, ...options.symbols(frames) },
        placeholder: options.placeholder(grid?.height ?? 1, grid?.width ?? 1, tokens),
        layout: {
          tile_rows: grid?.height ?? 1,
          tile_cols: grid?.width ?? 1,
          spatial_shapes: frames.map(({ rows, columns }) => [rows, columns]),
        },
      };
    },
    inputs(image) {
      const { grid, single, frames } = layoutOf(image);
      const views: RgbImage[] = grid
        ? tiles(tensorResize(image, grid.width * tile, grid.height * tile, filter), tile)
        : [];
      if (!grid || limits.thumbnail) views.push(tensorResize(image, single.width, single.height, filter));
      return { pixel_values: channelLastPatches(views, frames, tables, patch), ...options.tables(frames) };
    },
    limitedTo: (maxPixels) => limitedProcessor(settings, limitedTo(limits, maxPixels), options),
  };
}

/** Which images are split does not change, unless no grid of tiles is small enough. */
function limitedTo(limits: Limits, maxPixels: number): Limits {
  const { tile } = limits;
  const [least, most] = limits.tiles;
  const fitting = Math.min(most, Math.floor(maxPixels / tile ** 2));
  return {
    ...limits,
    split: limits.split && fitting >= least,
    tiles: [least, fitting],
    maxPixels: Math.min(limits.maxPixels, maxPixels),
  };
}

function readLimits(settings: Config): Limits {
  const patch = settings.count('encoder_patch_size', 16);
  const factor = patch * settings.count('downsample_factor', 2);
  return {
    patch,
    factor,
    tile: settings.count('tile_size', 512),
    tiles: [settings.parts('min_tiles', 2), settings.parts('max_tiles', 10)],
    pixels: {
      minPixels: settings.count('min_image_tokens', 64) * factor ** 2,
      maxPixels: settings.count('max_image_tokens', 256) * factor ** 2,
    },
    tolerance: settings.number('max_pixels_tolerance', 2),
    maxPixels: Infinity,
    split: settings.boolean('do_image_splitting', true),
    thumbnail: settings.boolean('use_thumbnail', true),
    maxPatches: settings.count('max_num_patches', 1024),
  };
}

/** Tiles across and down, or null where one image is enough. */
function tileGrid(image: Size, limits: Limits): Size | null {
  const { patch, factor, pixels, tolerance, split } = limits;
  const rounded = (side: number): number => Math.max(patch, roundHalfEven(side / factor) * factor);
  const tooLarge = rounded(image.width) * rounded(image.height) > pixels.maxPixels * tolerance;
  if (!split || !tooLarge) return null;
  const best = nearestGrid(image, limits);
  return best.width * best.height > 1 ? best : null;
}

/** The grid whose aspect ratio is nearest; of equally near ones a larger one if the image fills half of it. */
function nearestGrid(image: Size, { tile, tiles: [least, most] }: Limits): Size {
  const ratio = image.width / image.height;
  let best: Size = { width: 1, height: 1 };
  let difference = Infinity;
  for (const grid of grids(least, most)) {
    const away = Math.abs(ratio - grid.width / grid.height);
    const fills = image.width * image.height > 0.5 * tile * tile * grid.width * grid.height;
    if (away < difference || (away === difference && fills)) best = grid;
    difference = Math.min(difference, away);
  }
  return best;
}

/** All grids of `least` to `most` tiles, smaller ones first. */
function grids(least: number, most: number): Size[] {
  const found: Size[] = [];
  for (let count = least; count <= most; count++) {
    for (let width = 1; width <= count; width++)
      if (count % width === 0) found.push({ width, height: count / width });
  }
  return found;
}

/** The reference stacks tiles and thumbnail padded to one size, and fails where the thumbnail is larger. */
function requireFit({ width, height }: Size, frames: Frame[], { maxPatches }: Limits): void {
  if (frames.every(({ rows, columns }) => rows * columns <= maxPatches)) return;
  throw new AfterimageError(
    'IMAGE_UNSUPPORTED',
    `An image of ${width}×${height} pixels is too narrow for this model: its overview has more than ${maxPatches} patches; crop it.`,
  );
}

export function patchCount(frames: Frame[]): number {
  return frames.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
}

function tiles(image: RgbImage, side: number): RgbImage[] {
  const corners = rasterCorners({ rows: image.height / side, columns: image.width / side, patch: side });
  return corners.map(([x, y]) => crop(image, x, y, side, side));
}

/** One row per patch: (patch y, patch x, channel). */
function channelLastPatches(
  views: RgbImage[],
  frames: Frame[],
  tables: ChannelTables,
  patch: number,
): NamedTensor {
  const width = 3 * patch * patch;
  const rows = patchCount(frames);
  const data = new Float32Array(rows * width);
  let at = 0;
  views.forEach((view, i) => {
    for (const [x0, y0] of rasterCorners({ ...frames[i]!, patch })) {
      for (let y = 0; y < patch; y++) {
        const from = ((y0 + y) * view.width + x0) * 3;
        for (let k = 0; k < 3 * patch; k++) data[at++] = tables[k % 3]![view.data[from + k]!]!;
      }
    }
  });
  return { data, rows, width };
}
