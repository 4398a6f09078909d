// Work on whole images that takes longer than an event loop may stand still. Runs in worker threads; callers use
// `pixel-jobs.ts`. Pixels come and go as shared memory.
import { toShared } from '../workers/shared-bytes.js';
import { animation } from './animation.js';
import { decode } from './decode.js';
import { stacked, type TimedFrame } from './frames.js';
import { bytesHash, pixelIdentity, type PixelIdentity } from './key.js';
import type { AlphaHandling, ImageLimits } from './limits.js';
import { withOutlines, type Corners } from './outline.js';
import { encodePng, encodeWebp, fitted, thumbnailPng } from './picture.js';
import { crop, type Region, type Size } from './region.js';
import { resize } from './resize.js';
import type { RgbImage } from './rgb-image.js';

export interface NamedPixels {
  identity: PixelIdentity;
  image: RgbImage;
}

/** Encoded bytes as they were read. */
interface Encoded {
  bytes: Uint8Array;
  name: string;
  limits: ImageLimits;
  alpha: AlphaHandling;
}

/** A picture that came from no file, and the file that might hold it. */
export interface EncodedPicture {
  identity: PixelIdentity;
  png: Uint8Array;
  hash: string;
}

/** The thread has loaded all that this module needs. */
export function ready(): void {}

export function identityOf(image: RgbImage): PixelIdentity {
  return pixelIdentity(image);
}

export function hashOf(bytes: Uint8Array): string {
  return bytesHash(bytes);
}

/** @throws AfterimageError as `decode` */
export async function decoded({ bytes, name, limits, alpha }: Encoded): Promise<RgbImage> {
  return shared(await decode(bytes, name, limits, alpha));
}

/** @throws AfterimageError as `decode` */
export async function identified(encoded: Encoded): Promise<NamedPixels> {
  return named(await decoded(encoded));
}

/** A drawn picture as one that might have come from a file. */
export async function encoded(image: RgbImage): Promise<EncodedPicture> {
  const png = toShared(await encodePng(image));
  return { identity: pixelIdentity(image), png, hash: bytesHash(png) };
}

/** @param rate Frames of each second. @throws AfterimageError as `animation` */
export async function animated({
  bytes,
  name,
  limits,
  alpha,
  rate,
}: Encoded & { rate: number }): Promise<{ frames: TimedFrame<EncodedPicture>[]; rate: number }> {
  const found = await animation(bytes, name, rate, limits, alpha);
  const frames: TimedFrame<EncodedPicture>[] = [];
  for (const { frame, seconds } of found.frames) frames.push({ frame: await encoded(frame), seconds });
  return { frames, rate: found.rate };
}

/** Two frames, one above the other. */
export function stack(frames: readonly [RgbImage, RgbImage]): RgbImage {
  return shared(stacked(frames));
}

/** @throws AfterimageError INVALID_REGION */
export function cropped({ image, region }: { image: RgbImage; region: Region }): NamedPixels {
  return named(shared(crop(image, region)));
}

/** As `cropped`, without its identity. @throws AfterimageError INVALID_REGION */
export function cut({ image, region }: { image: RgbImage; region: Region }): RgbImage {
  return shared(crop(image, region));
}

/** PNG. */
export async function thumbnail({
  image,
  maxSide,
}: {
  image: RgbImage;
  maxSide: number;
}): Promise<Uint8Array> {
  return Uint8Array.from(await thumbnailPng(image, maxSide));
}

/** WebP. */
export async function shown({ image, maxSide }: { image: RgbImage; maxSide: number }): Promise<Uint8Array> {
  return Uint8Array.from(await encodeWebp(fitted(image, maxSide)));
}

/** PNG with the outlines of areas drawn in, numbered from 1 where that is wanted; no side is longer than `maxSide`. */
export async function outlined({
  image,
  areas,
  numbered,
  maxSide = Infinity,
}: {
  image: RgbImage;
  areas: Corners[];
  numbered: boolean;
  maxSide?: number;
}): Promise<Uint8Array> {
  const small = fitted(image, maxSide);
  const scale = small.width / image.width;
  const scaled = areas.map((corners) => corners.map(({ x, y }) => ({ x: x * scale, y: y * scale })));
  return Uint8Array.from(await encodePng(withOutlines(small, scaled, numbered)));
}

/** PNG of at most `maxPixels`, for engines that get their images over a wire; lossless where nothing is scaled. */
export async function sendable({
  image,
  maxPixels,
}: {
  image: RgbImage;
  maxPixels?: number;
}): Promise<{ png: Uint8Array; width: number; height: number }> {
  const { width, height } = within(image, maxPixels);
  const scaled = resize(image, width, height, 'bicubic');
  return { png: Uint8Array.from(await encodePng(scaled)), width, height };
}

function within({ width, height }: Size, maxPixels = Infinity): Size {
  const scale = Math.min(1, Math.sqrt(maxPixels / (width * height)));
  const side = (length: number) => Math.max(1, Math.floor(length * scale));
  return { width: side(width), height: side(height) };
}

function named(image: RgbImage): NamedPixels {
  return { identity: pixelIdentity(image), image };
}

function shared({ width, height, data }: RgbImage): RgbImage {
  return { width, height, data: toShared(data) };
}
