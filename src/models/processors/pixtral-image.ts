// Pixtral's image processor: shrunk to fit a square of a given side, never enlarged, both sides rounded up to whole
// patches of the decoder; rows of tokens end in a break. LightOnOCR's rounds to patches of the tower instead, whose last
// row or column the merger then drops, and has no breaks.
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
  /** Sides are whole patches of the tower, and what does not fill a token is dropped. */
  ragged?: boolean;
  /** Absent: those of Pixtral's processor. */
  markers?: PixtralMarkers;
}

export function pixtralImageProcessor(
  checkpoint: Checkpoint,
  { patch, merge, ragged = false, markers = pixtralMarkers(checkpoint) }: PixtralOptions,
): Processor {
  const settings = new Config(checkpoint.imageProcessor, 'preprocessor_config.json');
  const longest = settings.section('size').count('longest_edge');
  const filter = resampleFilter(settings, 'bicubic');
  const tables = channelTables(settings);
  const token = patch * merge;
  const unit = ragged ? patch : token;
  const within = (maxPixels = Infinity): Processor => ({
    identity: JSON.stringify({
      rule: 'pixtral',
      longest,
      maxPixels,
      patch,
      merge,
      ...(ragged && { ragged }),
      filter,
      settings: normalization(settings),
    }),
    pixelStep: pixelStep(tables),
    plan(width, height) {
      const whole = withinSquare({ width, height }, longest, unit, token);
      const viewed = withinPixels(whole, maxPixels, token);
      const [rows, columns] = [Math.floor(viewed.height / token), Math.floor(viewed.width / token)];
      return {
        tokens: rows * columns,
        viewedWidth: viewed.width,
        viewedHeight: viewed.height,
        symbols: {
          patches: (viewed.height / patch) * (viewed.width / patch),
          ...(ragged && { merged_patches: rows * columns * merge * merge }),
          segments: 2,
        },
        placeholder:
          Array<string>(rows).fill(imageTokens(markers.image, columns)).join(markers.lineBreak) + markers.end,
        layout: { image_sizes: [viewed.height, viewed.width] },
      };
    },
    inputs(image, plan) {
      const extent = { rows: plan.viewedHeight / patch, columns: plan.viewedWidth / patch };
      const viewed = resize(image, plan.viewedWidth, plan.viewedHeight, filter);
      const places = mergeOrder({ ...extent, merge: 1 });
      const filled = { rows: wholly(extent.rows, merge), columns: wholly(extent.columns, merge) };
      const blocks = mergeOrder({ ...filled, merge }).map(([row, column]) => row * extent.columns + column);
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

const wholly = (patches: number, merge: number): number => Math.floor(patches / merge) * merge;

/** @param least Of a side that is not empty: below that there is no token. */
function withinSquare({ width, height }: Size, longest: number, unit: number, least: number): Size {
  const ratio = Math.max(height / longest, width / longest);
  const side = (length: number): number => {
    const shrunk = ratio > 1 ? Math.floor(length / ratio) : length;
    return shrunk === 0 ? 0 : Math.max(least, Math.ceil(shrunk / unit) * unit);
  };
  const size = { width: side(width), height: side(height) };
  if (size.width === 0 || size.height === 0) {
    throw new AfterimageError(
      'IMAGE_UNSUPPORTED',
      `An image of ${width}×${height} pixels is too narrow: shrunk to ${longest} pixels it has no height left; crop it.`,
    );
  }
  return size;
}
