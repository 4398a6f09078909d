// MiniCPM-V 4.6's image processor: the image as a whole in about scale_resolution² pixels of its own shape and, where it has
// more than that, in slices of as many, cut from a grid whose cells are nearest to squares.
import { resize } from '../../image/resize.js';
import type { RgbImage } from '../../image/rgb-image.js';
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
import { roundHalfEven, type Size } from './smart-resize.js';

/** Patches of one view. */
export interface ViewExtent {
  rows: number;
  columns: number;
}

export interface MiniCpmImageOptions {
  patch: number;
  /** Patches a side of what becomes one token. */
  merge: number;
  /** Of the whole view and of slices, by how many tokens each has; rows of slices one after the other. */
  placeholder: (whole: number, slices: number[][]) => string;
  /** Marks around an image's number, where files ask for it. */
  numbered: [string, string];
  symbols: (views: ViewExtent[]) => Record<string, number>;
  tables: (views: ViewExtent[]) => Record<string, NamedTensor>;
}

interface Views {
  whole: Size;
  /** Null where the whole is enough. */
  slices: { rows: number; columns: number; size: Size } | null;
}

export function miniCpmImageProcessor(checkpoint: Checkpoint, options: MiniCpmImageOptions): Processor {
  const settings = new Config(checkpoint.imageProcessor, 'preprocessor_config.json');
  const scale = settings.count('scale_resolution', 448);
  const most = settings.boolean('slice_mode', true) ? settings.parts('max_slice_nums', 9) : 1;
  const isNumbered = settings.boolean('use_image_id', true);
  const filter = resampleFilter(settings, 'bicubic');
  const tables = channelTables(settings);
  const { patch, merge } = options;
  const unit = patch * merge;
  const extentOf = ({ width, height }: Size): ViewExtent => ({
    rows: height / patch,
    columns: width / patch,
  });

  const within = (maxPixels = Infinity): Processor => ({
    identity: JSON.stringify({
      rule: 'minicpmv4_6',
      ...{ scale, most, maxPixels, patch, merge, isNumbered, filter },
      settings: normalization(settings),
    }),
    pixelStep: pixelStep(tables),
    plan(width, height) {
      const views = viewsWithin({ width, height }, { scale, most, unit }, maxPixels);
      const all = viewList(views).map(extentOf);
      const tokens = all.map(({ rows, columns }) => (rows * columns) / merge ** 2);
      const viewed = viewedSize(views);
      const { rows = 0, columns = 0 } = views.slices ?? {};
      const slices = Array.from({ length: rows }, (_, i) =>
        tokens.slice(1 + i * columns, 1 + (i + 1) * columns),
      );
      return {
        tokens: tokens.reduce((a, b) => a + b),
        viewedWidth: viewed.width,
        viewedHeight: viewed.height,
        symbols: options.symbols(all),
        placeholder: options.placeholder(tokens[0]!, slices),
        ...(isNumbered && { numbered: options.numbered }),
        layout: { target_sizes: all.map((view) => [view.rows, view.columns]) },
      };
    },
    inputs(image) {
      const views = viewsWithin(image, { scale, most, unit }, maxPixels);
      const frames = [
        resize(image, views.whole.width, views.whole.height, filter),
        ...cut(image, views, filter),
      ];
      const rows = frames.map((frame) =>
        patchRows(frame, tables, rasterCorners({ ...extentOf(frame), patch }), patch),
      );
      return { pixel_values: joinedRows(rows), ...options.tables(frames.map(extentOf)) };
    },
    limitedTo: (pixels) => within(Math.min(pixels, maxPixels)),
  });
  return within();
}

interface Rule {
  scale: number;
  most: number;
  unit: number;
}

/** As many slices as the limit leaves room for; then a smaller whole. */
function viewsWithin(image: Size, rule: Rule, maxPixels: number): Views {
  const fits = (views: Views): boolean => {
    const { width, height } = viewedSize(views);
    return width * height <= maxPixels;
  };
  for (let most = rule.most; most >= 1; most--) {
    const views = viewsOf(image, { ...rule, most });
    if (fits(views)) return views;
  }
  let { scale } = rule;
  let views = viewsOf(image, { ...rule, most: 1 });
  while (!fits(views) && (scale -= rule.unit / 2) >= rule.unit)
    views = viewsOf(image, { ...rule, scale, most: 1 });
  return views;
}

function viewsOf(image: Size, { scale, most, unit }: Rule): Views {
  const whole = fitted(image, scale, unit);
  const grid = bestGrid(image, scale, most);
  if (!grid) return { whole, slices: null };
  const cell = {
    width: multiple(image.width, grid.columns) / grid.columns,
    height: multiple(image.height, grid.rows) / grid.rows,
  };
  return { whole, slices: { ...grid, size: fitted(cell, scale, unit) } };
}

/** About scale² pixels of that shape, in whole units. */
function fitted({ width, height }: Size, scale: number, unit: number): Size {
  const aspect = width / height;
  const high = Math.trunc(scale / Math.sqrt(aspect));
  return { width: multiple(Math.trunc(high * aspect), unit), height: multiple(high, unit) };
}

const multiple = (side: number, unit: number): number => Math.max(roundHalfEven(side / unit) * unit, unit);

/** The grid of about as many cells as the image has scale² pixels whose shape is nearest to the image's. */
function bestGrid(
  { width, height }: Size,
  scale: number,
  most: number,
): { rows: number; columns: number } | null {
  const wanted = Math.min(Math.ceil((width * height) / scale ** 2), most);
  if (wanted <= 1) return null;
  let best: { rows: number; columns: number } | null = null;
  let least = Infinity;
  for (const count of [wanted - 1, wanted, wanted + 1].filter((n) => n > 1 && n <= most)) {
    for (let rows = 1; rows <= count; rows++) {
      if (count % rows !== 0) continue;
      const columns = count / rows;
      const error = Math.abs(Math.log(width / height) - Math.log(columns / rows));
      if (error < least || (error === least && rows > best!.rows)) best = { rows, columns };
      least = Math.min(least, error);
    }
  }
  return best;
}

/** The size of all slices together, or of the whole. */
function viewedSize({ whole, slices }: Views): Size {
  if (!slices) return whole;
  const { rows, columns, size } = slices;
  return { width: size.width * columns, height: size.height * rows };
}

function viewList({ whole, slices }: Views): Size[] {
  if (!slices) return [whole];
  return [whole, ...Array.from({ length: slices.rows * slices.columns }, () => slices.size)];
}

function cut(image: RgbImage, views: Views, filter: Parameters<typeof resize>[3]): RgbImage[] {
  if (!views.slices) return [];
  const { rows, columns, size } = views.slices;
  const all = resize(image, size.width * columns, size.height * rows, filter);
  return Array.from({ length: rows * columns }, (_, i) =>
    crop(all, (i % columns) * size.width, Math.floor(i / columns) * size.height, size.width, size.height),
  );
}
