// From a golden's messages to token ids through the prompt code that users run.
import type { ContentPart, Message } from '../../src/prompt/message.js';
import type { Checkpoint } from '../../src/models/checkpoint/checkpoint.js';
import type { Model } from '../../src/models/family.js';
import { FRAMES_A_MOMENT, type ImageInput } from '../../src/image/rgb-image.js';
import { PromptBuilder, type Prompt } from '../../src/prompt/prompt.js';
import type { GoldenMessage, GoldenTurn, Seen } from './case-files.js';

export type PromptPath = (turn: GoldenTurn, images: Seen[]) => Prompt;

export function promptPath(checkpoint: Checkpoint, model: Model): PromptPath {
  const builder = PromptBuilder.load(checkpoint, model);
  return (turn, images) => {
    const left = [...images];
    return builder.build(turn.messages.map((message) => toMessage(message, left)));
  };
}

/** Takes this message's images from the front of `images`. */
function toMessage({ role, content }: GoldenMessage, images: Seen[]): Message {
  if (typeof content === 'string') return { role, content: [{ type: 'text', text: content }] };
  return {
    role,
    content: content.flatMap((part): ContentPart[] => {
      if (part.type === 'text') return [part];
      const count = part.type === 'video' ? Math.ceil(part.video.length / FRAMES_A_MOMENT) : 1;
      return images.splice(0, count).map((seen) => ({ type: 'image', image: imageInput(seen) }));
    }),
  };
}

function imageInput({ image, moment }: Seen): ImageInput {
  const { width, height } = image;
  return { pixelHash: '', width, height, moment, pixels: () => Promise.resolve(image) };
}
