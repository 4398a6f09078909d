// InternVL's image processor: the image stretched over the grid of square tiles whose shape is nearest to its own, and, where
// that is more than one, once more as a whole in a tile of its own, last.
import { resize } from '../../image/resize.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { Config } from '../checkpoint/config.js';
import type { Processor } from '../family.js';
import { framePatches, type SquareFrameOptions } from './clip-image.js';
import { channelTables, crop, normalization, pixelStep, resampleFilter } from './pixels.js';
import type { Size } from './smart-resize.js';

export interface Grid {
  columns: number;
  rows: number;
}

export interface InternImageOptions extends SquareFrameOptions {
  /** Tiles of an image where its settings do not say how many; 12 where this does not either. */
  most?: number;
  /** Image tokens of a tile. */
  tokensPerTile: number;
}

export function internImageProcessor(checkpoint: Checkpoint, options: InternImageOptions): Processor {
  const settings = new Config(checkpoint.imageProcessor, 'preprocessor_config.json');
  // Files of the publisher's own code write one number.
  const side =
    settings.ids('size').length === 1 ? settings.count('size') : settings.section('size').count('height');
  const filter = resampleFilter(settings, 'bicubic');
  const tables = channelTables(settings);
  const perSide = side / options.patch;
  const least = settings.count('min_patches', 1);

  // "crop_to_patches" is not read: files say false, and the reference's prompts are made with true all the same.
  const upTo = (most: number): Processor => {
    const grids = gridsOf(least, most);
    return {
      identity: JSON.stringify({
        rule: 'internvl',
        side,
        least,
        most,
        filter,
        settings: normalization(settings),
      }),
      pixelStep: pixelStep(tables),
      plan(width, height) {
        const { columns, rows } = bestGrid({ width, height }, grids, side);
        const views = viewsOf(columns * rows);
        const tokens = views * options.tokensPerTile;
        return {
          tokens,
          viewedWidth: columns * side,
          viewedHeight: rows * side,
          symbols: { ...options.symbols(views, perSide), tokens },
          placeholder: options.placeholder(tokens),
          layout: { num_patches: views },
        };
      },
      inputs(image) {
        const { columns, rows } = bestGrid(image, grids, side);
        const whole = resize(image, columns * side, rows * side, filter);
        const tiles = Array.from({ length: columns * rows }, (_, i) =>
          crop(whole, (i % columns) * side, Math.floor(i / columns) * side, side, side),
        );
        const views = tiles.length > 1 ? [...tiles, resize(image, side, side, filter)] : tiles;
        return {
          pixel_values: framePatches(views, tables, options.patch),
          ...options.tables(views.length, perSide),
        };
      },
      limitedTo: (pixels) => upTo(Math.max(least, Math.min(most, Math.floor(pixels / side ** 2)))),
    };
  };
  return upTo(settings.count('max_patches', options.most ?? 12));
}

/** A thumbnail of what is cut into several tiles. */
const viewsOf = (tiles: number): number => (tiles > 1 ? tiles + 1 : tiles);

/** By their number of tiles, those of one number from tall to wide. */
export function gridsOf(least: number, most: number): Grid[] {
  const sides = Array.from({ length: most }, (_, i) => i + 1);
  return sides
    .flatMap((columns) => sides.map((rows) => ({ columns, rows })))
    .filter(({ columns, rows }) => columns * rows >= least && columns * rows <= most)
    .sort((a, b) => a.columns * a.rows - b.columns * b.rows);
}

/** Nearest in shape; of several, the largest that the image's own pixels fill by more than half. */
export function bestGrid({ width, height }: Size, grids: Grid[], side: number): Grid {
  let best: Grid = { columns: 1, rows: 1 };
  let nearest = Infinity;
  for (const grid of grids) {
    const distance = Math.abs(width / height - grid.columns / grid.rows);
    const larger = width * height > 0.5 * side ** 2 * grid.columns * grid.rows;
    if (distance < nearest || (distance === nearest && larger)) best = grid;
    nearest = Math.min(nearest, distance);
  }
  return best;
}
