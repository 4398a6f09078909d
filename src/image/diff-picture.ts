// The difference picture: the second image faded to light grey, changed pixels in red.
import type { RgbImage } from './rgb-image.js';
import type { AlignedImages } from './diff-alignment.js';
import type { ChangeMask } from './diff-regions.js';
import { encodePng, fitted } from './picture.js';

/** Share of the image's brightness that is left; the rest is white. */
const PRESENCE = 0.3;

export async function drawDifference(
  aligned: AlignedImages,
  mask: ChangeMask,
  maxSide: number,
): Promise<Uint8Array> {
  const { width, height } = mask;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (mask.data[i]) data[i * 3] = 255;
      else data.fill(faded(aligned, x, y), i * 3, i * 3 + 3);
    }
  }
  return encodePng(fitted({ width, height, data }, maxSide));
}

function faded({ before, after }: AlignedImages, x: number, y: number): number {
  const image = covers(after, x, y) ? after : covers(before, x, y) ? before : undefined;
  if (!image) return 255;
  const at = (y * image.width + x) * 3;
  // Rec. 601 luma.
  const luma = 0.299 * image.data[at]! + 0.587 * image.data[at + 1]! + 0.114 * image.data[at + 2]!;
  return Math.round(255 - (255 - luma) * PRESENCE);
}

function covers(image: RgbImage, x: number, y: number): boolean {
  return x < image.width && y < image.height;
}
