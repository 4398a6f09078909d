// What a picture may measure, and how its transparency is seen: known without the decoder, which takes long to load.
import { AfterimageError } from '../errors.js';

export interface ImageLimits {
  /** Size of the encoded file. */
  maxBytes: number;
  /** width × height after decoding. */
  maxPixels: number;
}

export const DEFAULT_LIMITS: ImageLimits = { maxBytes: 20 * 1024 * 1024, maxPixels: 100_000_000 };

/** `dropped`: colours as they are stored, as the reference implementations of the models see them. */
export type AlphaHandling = 'composed' | 'dropped';

/** @throws AfterimageError IMAGE_TOO_LARGE */
export function checkBytes(size: number, name: string, limits: ImageLimits): void {
  if (size <= limits.maxBytes) return;
  throw new AfterimageError(
    'IMAGE_TOO_LARGE',
    `${name} has ${megabytes(size)}, more than the limit of ${megabytes(limits.maxBytes)}; ` +
      'save it smaller or raise --max-bytes.',
  );
}

function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${bytes} bytes` : `${(bytes / (1024 * 1024)).toFixed(1)} MB`;
}
