// Kimi's image processors: shrunk to a limit on patches, padded with black at the right and the bottom to whole tokens; and
// LocateAnything's, which stretches to whole tokens instead.
import { AfterimageError } from '../../errors.js';
import { resize } from '../../image/resize.js';
import type { NamedTensor, Processor } from '../family.js';
import type { RgbImage } from '../../image/rgb-image.js';
import type { Config } from '../checkpoint/config.js';
import { channelTables, pixelStep, normalization, patchRows, rasterCorners } from './pixels.js';
import { withinPixels, type Size } from './smart-resize.js';
import { tensorResize } from './tensor-resize.js';
import { imageTokens } from './placeholder.js';

export interface KimiImageOptions {
  imageToken: string;
  /** Around the tokens of an image, where the template does not write them. */
  marks?: [begin: string, end: string];
  /** Size to which an image is resized, before it is made whole tokens. */
  resized: (size: Size) => Size;
  /** Kimi-VL's reference resizes with Pillow, K2.5's on tensors. */
  resampler: 'pillow' | 'tensor';
  /** How the sides become whole tokens. Kimi-VL may be set to cut the rest off instead of padding. */
  fit: 'pad' | 'cut' | 'stretch';
  patch: number;
  merge: number;
  /** Tables of the vision program for an image of rows × columns patches. */
  tables: (rows: number, columns: number) => Record<string, NamedTensor>;
}

export function kimiImageProcessor(settings: Config, options: KimiImageOptions): Processor {
  const tables = channelTables(settings);
  const { imageToken, patch, merge, resampler, fit, marks = ['', ''] } = options;
  const unit = patch * merge;
  const framed = ({ width, height }: Size): Size => {
    const side = (length: number): number =>
      (fit === 'cut' ? Math.max(1, Math.floor(length / unit)) : Math.ceil(length / unit)) * unit;
    return { width: side(width), height: side(height) };
  };
  const resizing = (image: RgbImage, { width, height }: Size): RgbImage =>
    resampler === 'tensor'
      ? tensorResize(image, width, height, 'bicubic')
      : resize(image, width, height, 'bicubic');
  const within = (maxPixels = Infinity): Processor => {
    const sizes = (given: Size): { shrunk: Size; size: Size } => {
      const own = options.resized(given);
      if (fit === 'stretch') return { shrunk: own, size: withinPixels(framed(own), maxPixels, unit) };
      const shrunk = withinPixels(own, maxPixels, unit);
      return { shrunk, size: framed(shrunk) };
    };
    return {
      identity: JSON.stringify({
        rule: 'kimi',
        limits: settings.raw(),
        maxPixels,
        resampler,
        fit,
        patch,
        merge,
        settings: normalization(settings),
      }),
      pixelStep: pixelStep(tables),
      plan(width, height) {
        const { shrunk, size } = sizes({ width, height });
        const viewed = fit === 'stretch' ? size : shrunk;
        const [rows, columns] = [size.height / patch, size.width / patch];
        const tokens = (rows * columns) / merge ** 2;
        return {
          tokens,
          viewedWidth: viewed.width,
          viewedHeight: viewed.height,
          symbols: { patches: rows * columns, segments: 2 },
          placeholder: `${marks[0]}${imageTokens(imageToken, tokens)}${marks[1]}`,
          layout: { image_grid_thw: [1, rows, columns] },
        };
      },
      inputs(image) {
        const { shrunk, size } = sizes(image);
        const viewed = resizing(image, shrunk);
        const framedImage = fit === 'stretch' ? resizing(viewed, size) : onCanvas(viewed, size);
        const extent = { rows: framedImage.height / patch, columns: framedImage.width / patch };
        return {
          pixel_values: patchRows(framedImage, tables, rasterCorners({ ...extent, patch }), patch),
          ...options.tables(extent.rows, extent.columns),
        };
      },
      limitedTo: (most) => within(Math.min(most, maxPixels)),
    };
  };
  return within();
}

/** Padded with black at the right and bottom where larger, cut around the centre where smaller. */
function onCanvas(image: RgbImage, { width, height }: Size): RgbImage {
  const data = new Uint8Array(width * height * 3);
  const left = Math.max(0, Math.floor((image.width - width) / 2));
  const top = Math.max(0, Math.floor((image.height - height) / 2));
  const count = Math.min(width, image.width) * 3;
  for (let y = 0; y < Math.min(height, image.height); y++) {
    const from = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(from, from + count), y * width * 3);
  }
  return { width, height, data };
}

/** Kimi K2.5: at most `patchLimit` patches in all and `sideLimit` on a side; never enlarged. */
export function k25Size(patch: number, patchLimit: number, sideLimit: number): (size: Size) => Size {
  return ({ width, height }) => {
    const patches = Math.max(1, Math.floor(width / patch)) * Math.max(1, Math.floor(height / patch));
    const scale = Math.min(
      1,
      Math.sqrt(patchLimit / patches),
      (sideLimit * patch) / width,
      (sideLimit * patch) / height,
    );
    const side = (length: number): number =>
      Math.min(Math.max(Math.trunc(length * scale), 1), sideLimit * patch);
    return { width: side(width), height: side(height) };
  };
}

/** Sides that MoonViT's positions can address, in patches. */
const MAX_PATCHES_ON_SIDE = 512;

/** Kimi-VL: at most `patchLimit` whole patches. @param unit Sides that will be stretched to multiples of it count so. */
export function kimiVlSize(patch: number, patchLimit: number, unit = 1): (size: Size) => Size {
  return (size) => {
    const patches = Math.floor(size.width / patch) * Math.floor(size.height / patch);
    const scale = patches > patchLimit ? Math.sqrt(patchLimit / patches) : 1;
    const side = (length: number): number => Math.max(1, Math.trunc(length * scale));
    const resized = { width: side(size.width), height: side(size.height) };
    const refusedSide = Math.ceil(Math.max(resized.width, resized.height) / unit) * unit;
    if (refusedSide / patch >= MAX_PATCHES_ON_SIDE) {
      throw new AfterimageError(
        'IMAGE_UNSUPPORTED',
        `An image of ${size.width}×${size.height} pixels is too long for this model; crop it.`,
      );
    }
    return resized;
  };
}
