// Work on whole images that takes longer than an event loop may stand still. Runs in worker threads; callers use
// `pixel-jobs.ts`.
import { pixelIdentity, type PixelIdentity } from './key.js';
import type { RgbImage } from './rgb-image.js';

export function identityOf(image: RgbImage): PixelIdentity {
  return pixelIdentity(image);
}
