// RGB pixels → files, for thumbnails, difference pictures and what else people look at.
import type { RgbImage } from './rgb-image.js';
import { resize } from './resize.js';
import { sharp } from './sharp.js';

export async function encodePng(image: RgbImage): Promise<Uint8Array> {
  const { width, height, data } = image;
  return sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .png()
    .toBuffer();
}

/** A tenth of the bytes of a photo's PNG; letters of a screen stay sharp. */
export async function encodeWebp({ width, height, data }: RgbImage): Promise<Uint8Array> {
  return sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .webp({ quality: 90, smartSubsample: true, effort: 2 })
    .toBuffer();
}

/** Scaled down, never up, so that neither side is longer than `maxSide`. */
export function fitted(image: RgbImage, maxSide: number): RgbImage {
  const scale = Math.min(1, maxSide / Math.max(image.width, image.height));
  if (scale === 1) return image;
  const side = (length: number) => Math.max(1, Math.round(length * scale));
  return resize(image, side(image.width), side(image.height), 'bilinear');
}

export async function thumbnailPng(image: RgbImage, maxSide = 512): Promise<Uint8Array> {
  return encodePng(fitted(image, maxSide));
}
