// Pixtral's image processor: shrunk to fit a square of a given side, never enlarged, both sides rounded up to whole
// patches of the decoder; rows of tokens end in a break.
import { AfterimageError } from '../../errors.js';
import { resize } from '../../image/resize.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { Config } from '../checkpoint/config.js';
import type { Processor } from '../family.js';
import {
  channelTables,
  pixelStep,
  indexTensor,
  normalization,
  patchRows,
  rasterCorners,
  resampleFilter,
} from './pixels.js';
import { mergeOrder } from './qwen-image.js';
import { withinPixels, type Size } from './smart-resize.js';
import { imageTokens } from './placeholder.js';

export interface PixtralOptions {
  patch: number;
  /** merge² patches become one token; 1 where there is no merger. */
  merge: number;
}

export function pixtralImageProcessor(checkpoint: Checkpoint, { patch, merge }: PixtralOptions): Processor {
  const settings = new Config(checkpoint.imageProcessor, 'preprocessor_config.json');
  const longest = settings.section('size').count('longest_edge');
  const filter = resampleFilter(settings, 'bicubic');
  const tables = channelTables(settings);
  const markers = pixtralMarkers(checkpoint);
  const unit = patch * merge;
  const within = (maxPixels = Infinity): Processor => ({
    identity: JSON.stringify({
      rule: 'pixtral',
      longest,
      maxPixels,
      patch,
      merge,
      filter,
      settings: normalization(settings),
    }),
    pixelStep: pixelStep(tables),
    plan(width, height) {
      const whole = withinSquare({ width, height }, longest, unit);
      const viewed = withinPixels(whole, maxPixels, unit);
      const [rows, columns] = [viewed.height / unit, viewed.width / unit];
      return {
        tokens: rows * columns,
        viewedWidth: viewed.width,
        viewedHeight: viewed.height,
        symbols: { patches: rows * columns * merge * merge, segments: 2 },
        placeholder:
          Array<string>(rows).fill(imageTokens(markers.image, columns)).join(markers.lineBreak) + markers.end,
        layout: { image_sizes: [viewed.height, viewed.width] },
      };
    },
    inputs(image, plan) {
      const extent = { rows: plan.viewedHeight / patch, columns: plan.viewedWidth / patch };
      const viewed = resize(image, plan.viewedWidth, plan.viewedHeight, filter);
      const places = mergeOrder({ ...extent, merge: 1 });
      const blocks = mergeOrder({ ...extent, merge }).map(([row, column]) => row * extent.columns + column);
      return {
        pixel_values: patchRows(viewed, tables, rasterCorners({ ...extent, patch }), patch),
        patch_positions: indexTensor(places.flat(), 2),
        segments: indexTensor([0, places.length]),
        ...(merge > 1 && { block_order: indexTensor(blocks) }),
      };
    },
    limitedTo: (most) => within(Math.min(most, maxPixels)),
  });
  return within();
}

export interface PixtralMarkers {
  image: string;
  lineBreak: string;
  end: string;
}

export function pixtralMarkers(checkpoint: Checkpoint): PixtralMarkers {
  const processor = new Config(checkpoint.processor, 'processor_config.json');
  return {
    image: processor.string('image_token', '[IMG]'),
    lineBreak: processor.string('image_break_token', '[IMG_BREAK]'),
    end: processor.string('image_end_token', '[IMG_END]'),
  };
}

function withinSquare({ width, height }: Size, longest: number, unit: number): Size {
  const ratio = Math.max(height / longest, width / longest);
  const side = (length: number): number =>
    Math.ceil((ratio > 1 ? Math.floor(length / ratio) : length) / unit) * unit;
  const size = { width: side(width), height: side(height) };
  if (size.width === 0 || size.height === 0) {
    throw new AfterimageError(
      'IMAGE_UNSUPPORTED',
      `An image of ${width}×${height} pixels is too narrow: shrunk to ${longest} pixels it has no height left; crop it.`,
    );
  }
  return size;
}
