// DeepSeek-OCR-2's image processor: the image on a grey square, and, where a side is longer than a tile's, stretched over a
// grid of square tiles whose shape is nearest to its own; tiles come first.
import { resize } from '../../image/resize.js';
import type { RgbImage } from '../../image/rgb-image.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { Config } from '../checkpoint/config.js';
import type { NamedTensor, Processor } from '../family.js';
import { bestGrid, gridsOf, type Grid } from './intern-image.js';
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
import { roundHalfEven, type Size } from './smart-resize.js';

/** Whatever "min_patches" and "max_patches" files state: the reference's prompts are made with these all the same. */
const LEAST_TILES = 2;
const MOST_TILES = 6;
/** The publisher's own files say nothing of pixels. */
const UNSTATED = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] };

export interface DeepSeekImageOptions {
  patch: number;
  /** Patches on a side of each view → its image tokens, and one for the end of the image. */
  tokens: (sides: number[]) => number;
  placeholder: (tokens: number) => string;
  symbols: (sides: number[]) => Record<string, number>;
  tables: (sides: number[]) => Record<string, NamedTensor>;
}

/** Sides in pixels of the whole view and of tiles. */
export function viewSides(settings: Config): { whole: number; tile: number } {
  const whole = settings.has('size') ? settings.section('size').count('height') : 1024;
  return { whole, tile: settings.count('tile_size', 768) };
}

export function deepSeekImageProcessor(checkpoint: Checkpoint, options: DeepSeekImageOptions): Processor {
  const settings = new Config(checkpoint.imageProcessor, 'preprocessor_config.json').withDefaults(UNSTATED);
  const { whole, tile } = viewSides(settings);
  const filter = resampleFilter(settings, 'bicubic');
  const tables = channelTables(settings);
  const background = settings.numbers('background_color', [127, 127, 127]);

  const upTo = (most: number): Processor => {
    const grids = gridsOf(LEAST_TILES, most);
    const gridOf = (image: Size): Grid | null =>
      Math.max(image.width, image.height) > tile && grids.length > 0 ? bestGrid(image, grids, tile) : null;
    const sidesOf = (grid: Grid | null): number[] => [
      ...Array.from({ length: grid ? grid.columns * grid.rows : 0 }, () => tile / options.patch),
      whole / options.patch,
    ];
    return {
      identity: JSON.stringify({
        rule: 'deepseek_ocr2',
        ...{ whole, tile, most, filter, background },
        settings: normalization(settings),
      }),
      pixelStep: pixelStep(tables),
      plan(width, height) {
        const grid = gridOf({ width, height });
        const sides = sidesOf(grid);
        const tokens = options.tokens(sides);
        const fitted = fittedSize({ width, height }, whole);
        return {
          tokens,
          viewedWidth: grid ? grid.columns * tile : fitted.width,
          viewedHeight: grid ? grid.rows * tile : fitted.height,
          symbols: { ...options.symbols(sides), tokens },
          placeholder: options.placeholder(tokens),
          layout: { num_local_patches: sides.length - 1 },
        };
      },
      inputs(image) {
        const grid = gridOf(image);
        const size = fittedSize(image, whole);
        const seen = onSquare(resize(image, size.width, size.height, filter), whole, background);
        const views = [...(grid ? tilesOf(image, grid) : []), seen];
        const rows = views.map((view) => {
          const side = view.width / options.patch;
          const corners = rasterCorners({ rows: side, columns: side, patch: options.patch });
          return patchRows(view, tables, corners, options.patch);
        });
        return { pixel_values: joinedRows(rows), ...options.tables(sidesOf(grid)) };
      },
      limitedTo: (pixels) => upTo(Math.min(most, Math.floor(pixels / tile ** 2))),
    };
  };

  function tilesOf(image: RgbImage, { rows, columns }: Grid): RgbImage[] {
    const stretched = resize(image, columns * tile, rows * tile, filter);
    return Array.from({ length: rows * columns }, (_, i) =>
      crop(stretched, (i % columns) * tile, Math.floor(i / columns) * tile, tile, tile),
    );
  }

  return upTo(MOST_TILES);
}

/** The longer side fills the square. */
function fittedSize({ width, height }: Size, side: number): Size {
  const scale = side / Math.max(width, height);
  const fitted = (length: number): number => Math.max(1, roundHalfEven(length * scale));
  return { width: fitted(width), height: fitted(height) };
}

function onSquare(image: RgbImage, side: number, background: number[]): RgbImage {
  const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => background[i % 3]!);
  const [left, top] = [image.width, image.height].map((length) => Math.floor((side - length) / 2));
  for (let y = 0; y < image.height; y++) {
    const row = image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3);
    data.set(row, ((y + top!) * side + left!) * 3);
  }
  return { width: side, height: side, data };
}
