// Rectangles in pixels of the original image: checked, cropped, and brought back from the coordinates models write.
import { AfterimageError } from '../errors.js';
import type { RgbImage } from './rgb-image.js';

/** Whole pixels; (x, y) is the top left corner. */
export interface Region {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Size {
  width: number;
  height: number;
}

/** [left, top, right, bottom] as a model writes it. */
export type Box = readonly [number, number, number, number];

/** What a coordinate counts: thousandths of the image, pixels as the model saw it, shares of it, or 1024ths (PaliGemma's tokens). */
export const BOX_SCALES = ['relative-1000', 'viewed-pixels', 'relative-1', 'relative-1024'] as const;

export type BoxScale = (typeof BOX_SCALES)[number];

/** How much the image is wide and high in a scale. */
export function unitOf(scale: BoxScale, viewed: Size): Size {
  if (scale === 'viewed-pixels') return viewed;
  const side = { 'relative-1000': 1000, 'relative-1': 1, 'relative-1024': 1024 }[scale];
  return { width: side, height: side };
}

/** @throws AfterimageError INVALID_REGION when it is not a rectangle of whole pixels inside the image. */
export function checkRegion(region: Region, image: Size): void {
  const { x, y, width, height } = region;
  const whole = [x, y, width, height].every(Number.isSafeInteger);
  const inside =
    x >= 0 && y >= 0 && width >= 1 && height >= 1 && x + width <= image.width && y + height <= image.height;
  if (whole && inside) return;
  throw new AfterimageError(
    'INVALID_REGION',
    `The region x=${x}, y=${y}, width=${width}, height=${height} does not lie in the image, which is ` +
      `${image.width} × ${image.height} pixels; give whole pixels with 0 ≤ x, x + width ≤ ${image.width}, ` +
      `0 ≤ y and y + height ≤ ${image.height}.`,
  );
}

export function wholeImage(image: Size): Region {
  return { x: 0, y: 0, width: image.width, height: image.height };
}

/** Copies the region's pixels. @throws AfterimageError INVALID_REGION */
export function crop(image: RgbImage, region: Region): RgbImage {
  checkRegion(region, image);
  const { x, y, width, height } = region;
  const data = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const start = ((y + row) * image.width + x) * 3;
    data.set(image.data.subarray(start, start + width * 3), row * width * 3);
  }
  return { width, height, data };
}

/**
 * Grows a region by `margin` on each side and to at least `minSide`, as far as the image allows.
 * Small crops give a vision model nothing to hold on to.
 */
export function withMargin(region: Region, margin: number, minSide: number, image: Size): Region {
  const [x, width] = grow(region.x, region.width, margin, minSide, image.width);
  const [y, height] = grow(region.y, region.height, margin, minSide, image.height);
  return { x, y, width, height };
}

function grow(
  start: number,
  length: number,
  margin: number,
  minSide: number,
  limit: number,
): [number, number] {
  const wanted = Math.min(limit, Math.max(length + 2 * margin, minSide));
  const first = Math.min(Math.max(0, Math.floor(start + length / 2 - wanted / 2)), limit - wanted);
  return [first, wanted];
}

/**
 * A model's box in pixels of the original image, rounded outwards and cut to what the model saw; undefined when
 * nothing of it is left or a coordinate is not a number. Swapped corners are put in order.
 * @param viewed Size in which the model saw the image.
 * @param shown The part of the original that the model saw: the whole image or the crop it was given.
 */
export function toOriginal(box: Box, scale: BoxScale, viewed: Size, shown: Region): Region | undefined {
  if (!box.every(Number.isFinite)) return undefined;
  const unit = unitOf(scale, viewed);
  const [left, right] = interval(box[0], box[2], unit.width, shown.x, shown.width);
  const [top, bottom] = interval(box[1], box[3], unit.height, shown.y, shown.height);
  if (right <= left || bottom <= top) return undefined;
  return { x: left, y: top, width: right - left, height: bottom - top };
}

function interval(a: number, b: number, unit: number, offset: number, length: number): [number, number] {
  const low = (Math.min(a, b) / unit) * length;
  const high = (Math.max(a, b) / unit) * length;
  // A hair of tolerance, so that 500/1000 of 640 ends at 320 and not at 321.
  const first = Math.max(0, Math.floor(low + 1e-6));
  const last = Math.min(length, Math.ceil(high - 1e-6));
  return [offset + first, offset + Math.max(last, Math.min(first + 1, length))];
}
