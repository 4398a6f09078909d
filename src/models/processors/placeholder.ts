// The text in a prompt that an image's rows take the place of.
import { AfterimageError } from '../../errors.js';

/** As many as the longest context holds. */
const MOST_TOKENS = 2 ** 20;

/** `token` once for each feature row. @throws AfterimageError INVALID_CHECKPOINT where settings ask for more than any model reads */
export function imageTokens(token: string, count: number): string {
  if (Number.isInteger(count) && count >= 0 && count <= MOST_TOKENS) return token.repeat(count);
  throw new AfterimageError(
    'INVALID_CHECKPOINT',
    `The checkpoint's settings make ${count} tokens of an image, more than any model reads; download the checkpoint again.`,
  );
}
