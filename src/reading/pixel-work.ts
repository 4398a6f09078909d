// Work of reading on whole pictures; runs in worker threads.
import type { RgbImage } from '../image/rgb-image.js';
import { crop, type Region } from '../image/region.js';
import { resize } from '../image/resize.js';
import { toDetectorSides } from './tiles.js';

/** A part of a picture as the detector takes it: enlarged, and grown to sides that are multiples of 32. */
export function prepareTile(input: { picture: RgbImage; tile: Region; scale: number }): RgbImage {
  const { picture, tile, scale } = input;
  const part = crop(picture, tile);
  const side = (length: number) => Math.round(length * scale);
  const seen = scale === 1 ? part : resize(part, side(part.width), side(part.height), 'bicubic');
  return toDetectorSides(seen);
}
