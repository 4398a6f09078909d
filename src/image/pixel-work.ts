// Work on whole images that takes longer than an event loop may stand still. Runs in worker threads; callers use
// `pixel-jobs.ts`. Pixels come and go as shared memory.
import { toShared } from '../workers/shared-bytes.js';
import { decode, type AlphaHandling, type ImageLimits } from './decode.js';
import { bytesHash, pixelIdentity, type PixelIdentity } from './key.js';
import { thumbnailPng } from './picture.js';
import { crop, type Region } from './region.js';
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

/** @throws AfterimageError INVALID_REGION */
export function cropped({ image, region }: { image: RgbImage; region: Region }): NamedPixels {
  return named(shared(crop(image, region)));
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

function named(image: RgbImage): NamedPixels {
  return { identity: pixelIdentity(image), image };
}

function shared({ width, height, data }: RgbImage): RgbImage {
  return { width, height, data: toShared(data) };
}
