// CLIP's image processor: the shorter side becomes the frame's, and the middle square is kept. What lies outside is lost.
import { resize } from '../../image/resize.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { Config } from '../checkpoint/config.js';
import type { NamedTensor, Processor } from '../family.js';
import {
  channelTables,
  crop,
  joinedRows,
  normalization,
  patchRows,
  pixelStep,
  rasterCorners,
  resampleFilter,
} from './pixels.js';
import type { RgbImage } from '../../image/rgb-image.js';
import type { Size } from './smart-resize.js';

export interface SquareFrameOptions {
  patch: number;
  placeholder: (tokens: number) => string;
  /** Row counts and tables of the vision program for so many frames, `side` patches wide. */
  symbols: (frames: number, side: number) => Record<string, number>;
  tables: (frames: number, side: number) => Record<string, NamedTensor>;
}

export function clipImageProcessor(checkpoint: Checkpoint, options: SquareFrameOptions): Processor {
  const settings = new Config(checkpoint.imageProcessor, 'preprocessor_config.json');
  const side = frameSide(settings);
  const filter = resampleFilter(settings, 'bicubic');
  const tables = channelTables(settings);
  const perSide = side / options.patch;
  const processor: Processor = {
    identity: JSON.stringify({ rule: 'clip', side, filter, settings: normalization(settings) }),
    pixelStep: pixelStep(tables),
    plan: () => ({
      tokens: perSide ** 2,
      viewedWidth: side,
      viewedHeight: side,
      symbols: options.symbols(1, perSide),
      placeholder: options.placeholder(perSide ** 2),
      layout: {},
    }),
    inputs(image) {
      const covering = shortestSide(image, side);
      const scaled = resize(image, covering.width, covering.height, filter);
      const [left, top] = [covering.width - side, covering.height - side].map((spare) =>
        Math.floor(spare / 2),
      );
      const frame = crop(scaled, left!, top!, side, side);
      const corners = rasterCorners({ rows: perSide, columns: perSide, patch: options.patch });
      return {
        pixel_values: patchRows(frame, tables, corners, options.patch),
        ...options.tables(1, perSide),
      };
    },
    limitedTo: () => processor, // every image has this one frame
  };
  return processor;
}

/** Newer files write the crop as one number. */
export function frameSide(settings: Config): number {
  if (settings.ids('crop_size').length === 1) return settings.count('crop_size');
  return settings.section('crop_size').count('height');
}

/** The size whose shorter side is `side`; the longer one is cut off below whole pixels. */
export function shortestSide({ width, height }: Size, side: number): Size {
  const long = (a: number, b: number): number => Math.trunc((side * a) / b);
  return width <= height
    ? { width: side, height: long(height, width) }
    : { width: long(width, height), height: side };
}

/** Rows of patches of frames, one frame after the other. */
export function framePatches(
  frames: RgbImage[],
  tables: ReturnType<typeof channelTables>,
  patch: number,
): NamedTensor {
  const side = frames[0]!.width / patch;
  return joinedRows(
    frames.map((frame) =>
      patchRows(frame, tables, rasterCorners({ rows: side, columns: side, patch }), patch),
    ),
  );
}
