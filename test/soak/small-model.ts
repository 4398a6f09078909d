// The smallest checkpoint there is, and pictures and questions for it: what is tested is everything around the model.
import { join } from 'node:path';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import type { Message } from '../../src/prompt/message.js';
import { pixelIdentity } from '../../src/image/key.js';
import type { ImageInput } from '../../src/image/rgb-image.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';
import type { Random } from '../fuzz/mutations.js';
import { oneOf } from '../fuzz/mutations.js';

export const SMALL_MODEL = join(CHECKPOINTS, 'qwen2_vl');

const SIZES = [
  [64, 64],
  [56, 84],
  [90, 60],
] as const;

/** Stripes that no other number has. */
export function picture(number: number): ImageInput {
  const [width, height] = SIZES[number % SIZES.length]!;
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => ((i >> 4) * (2 * number + 3) + (i % 7) * 13) & 255,
  );
  const image = { width, height, data };
  return { ...pixelIdentity(image), pixels: async () => image };
}

const TEXTS = ['What is this?', 'Read the text.', 'Where is the button?', 'Is anything wrong?'];

/** A question about one or two of the images, or one more about the first. */
export function conversation(images: readonly ImageInput[], next: Random): Message[] {
  const first = [oneOf(images, next), ...(next() < 0.3 ? [oneOf(images, next)] : [])];
  const asked = [systemMessage(), userMessage(first, oneOf(TEXTS, next))];
  if (next() < 0.6) return asked;
  const said: Message = { role: 'assistant', content: [{ type: 'text', text: 'A picture of stripes.' }] };
  return [...asked, said, userMessage(next() < 0.5 ? [oneOf(images, next)] : [], oneOf(TEXTS, next))];
}
