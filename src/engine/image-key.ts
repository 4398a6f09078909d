// The identity of what the model sees of an image. Two images share work exactly when their keys are equal.
import { createHash } from 'node:crypto';
import type { ImagePlan } from '../models/family.js';
import type { ImageInput } from '../image/rgb-image.js';

/** 32 bytes: SHA-256 over {weights digest, processor and settings, mode, width, height, target size, pixels, moment}. */
export function imageKey(
  weightsDigest: string,
  processorIdentity: string,
  image: ImageInput,
  plan: ImagePlan,
): Uint8Array {
  const identity = [
    weightsDigest,
    processorIdentity,
    'RGB8',
    `${image.width}x${image.height}`,
    `${plan.viewedWidth}x${plan.viewedHeight}`,
    image.pixelHash,
    // Two frames are not the picture of both.
    ...(plan.moment ? ['moment'] : []),
  ];
  return createHash('sha256').update(JSON.stringify(identity)).digest();
}
