// Idefics3's image processor: the image is scaled until its longest side has a given length, also upwards, cut into
// square tiles, and shown once more as a whole. Laurençon et al. 2024, https://arxiv.org/abs/2408.12637
import { resize } from '../../image/resize.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { Config } from '../checkpoint/config.js';
import type { Processor } from '../family.js';
import type { RgbImage } from '../../image/rgb-image.js';
import { channelTables, crop, pixelStep, resampleFilter, normalization, indexTensor } from './pixels.js';
import type { Size } from './smart-resize.js';
import { blockOrder, frameInputs } from './square-frames.js';

export interface SplitImageOptions {
  patch: number;
  /** Side of the blocks of patches that become one token. */
  block: number;
  tokensPerFrame: number;
  /** Text of an image of rows × columns tiles (0 × 0: the whole image only). */
  placeholder: (rows: number, columns: number) => string;
}

/** Longest side that the reference resizes to, whatever the settings ask for. */
const MAX_SIDE = 4096;

export function splitImageProcessor(checkpoint: Checkpoint, options: SplitImageOptions): Processor {
  const settings = new Config(checkpoint.imageProcessor, 'preprocessor_config.json');
  const longest = settings.boolean('do_resize', true) ? settings.section('size').count('longest_edge') : null;
  const tile = settings.section('max_image_size').count('longest_edge');
  const split = settings.boolean('do_image_splitting', true);
  const filter = resampleFilter(settings, 'lanczos');
  const tables = channelTables(settings);
  const { patch, block, tokensPerFrame } = options;
  const side = Math.floor(tile / patch);

  const within = (maxPixels = Infinity): Processor => {
    const scaled = (size: Size): Size => scaledWithin(size, longest, tile, split ? maxPixels : Infinity);
    const viewed = (size: Size): Size =>
      split ? toTiles(scaled(size), tile) : { width: tile, height: tile };
    return {
      identity: JSON.stringify({
        rule: 'idefics3',
        longest,
        maxPixels,
        tile,
        split,
        filter,
        patch,
        block,
        settings: normalization(settings),
      }),
      pixelStep: pixelStep(tables),
      plan(width, height) {
        const size = viewed({ width, height });
        const tiled = size.width > tile || size.height > tile;
        const [rows, columns] = tiled ? [size.height / tile, size.width / tile] : [0, 0];
        const frames = rows * columns + 1;
        return {
          tokens: frames * tokensPerFrame,
          viewedWidth: size.width,
          viewedHeight: size.height,
          symbols: { patches: frames * side ** 2, segments: frames + 1 },
          placeholder: options.placeholder(rows, columns),
          layout: { tile_rows: rows, tile_cols: columns },
        };
      },
      inputs(image, plan) {
        const first = scaled(image);
        const whole = resize(
          resize(image, first.width, first.height, filter),
          plan.viewedWidth,
          plan.viewedHeight,
          filter,
        );
        const frames = [...tiles(whole, tile), resize(whole, tile, tile, filter)];
        const order = blockOrder(frames.length, side, block);
        return { ...frameInputs(frames, tables, patch), block_order: indexTensor(order) };
      },
      limitedTo: (most) => within(Math.min(most, maxPixels)),
    };
  };
  return within();
}

/** Scaled as the reference does or, where its tiles would be more than `maxPixels`, to as many tiles as fit. */
function scaledWithin(size: Size, longest: number | null, tile: number, maxPixels: number): Size {
  let scaled = longest === null ? size : withLongestSide(size, longest);
  let across = Math.ceil(Math.max(scaled.width, scaled.height) / tile);
  while (across > 1 && area(toTiles(scaled, tile)) > maxPixels)
    scaled = withLongestSide(size, --across * tile);
  return scaled;
}

function area({ width, height }: Size): number {
  return width * height;
}

/** Tiles row by row; none where the image is a single tile. */
function tiles(image: RgbImage, side: number): RgbImage[] {
  if (image.width === side && image.height === side) return [];
  const found: RgbImage[] = [];
  for (let y = 0; y < image.height; y += side) {
    for (let x = 0; x < image.width; x += side) found.push(crop(image, x, y, side, side));
  }
  return found;
}

function withLongestSide({ width, height }: Size, longest: number): Size {
  const ratio = width / height;
  const even = (side: number): number => Math.max(1, side % 2 === 1 ? side + 1 : side);
  const size =
    width >= height
      ? { width: longest, height: even(Math.trunc(longest / ratio)) }
      : { width: even(Math.trunc(longest * ratio)), height: longest };
  return withinSide(size, MAX_SIDE);
}

function withinSide({ width, height }: Size, most: number): Size {
  if (Math.max(width, height) <= most) return { width, height };
  const ratio = width / height;
  return width >= height
    ? { width: most, height: Math.max(1, Math.trunc(most / ratio)) }
    : { width: Math.max(1, Math.trunc(most * ratio)), height: most };
}

/** Both sides rounded up to whole tiles, the longer one first. */
function toTiles({ width, height }: Size, tile: number): Size {
  const ratio = width / height;
  const up = (side: number): number => Math.ceil(side / tile) * tile;
  if (width >= height) return { width: up(width), height: up(Math.trunc(up(width) / ratio)) };
  return { width: up(Math.trunc(up(height) * ratio)), height: up(height) };
}
