// Image data out of long texts. Runs in worker threads: checking and decoding tens of megabytes takes its time.
import { toShared } from '../workers/shared-bytes.js';
import type { CarriedText } from './carried.js';
import { imageData } from './data-uri.js';
import type { ImageLimits } from './limits.js';

/** As `imageData`, into memory that all threads see. */
export function longData({
  text,
  limits,
}: {
  text: string;
  limits: ImageLimits;
}): Uint8Array<SharedArrayBuffer> | undefined {
  const bytes = imageData(text, limits);
  return bytes && toShared(bytes);
}

/** Of what stood between the quotes of a JSON string. @throws SyntaxError when that is no JSON; else as `imageData` */
export function carriedData({ text, limits }: { text: CarriedText; limits: ImageLimits }) {
  return longData({ text: JSON.parse(`"${Buffer.concat(text).toString('utf8')}"`) as string, limits });
}
