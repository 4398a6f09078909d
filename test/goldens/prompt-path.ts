// From a golden's messages to token ids through the prompt code that users run.
import type { ContentPart, Message } from '../../src/prompt/message.js';
import type { Checkpoint } from '../../src/models/checkpoint/checkpoint.js';
import type { Model } from '../../src/models/family.js';
import type { RgbImage } from '../../src/image/rgb-image.js';
import { PromptBuilder, type Prompt } from '../../src/prompt/prompt.js';
import type { GoldenMessage, GoldenTurn } from './case-files.js';

export type PromptPath = (turn: GoldenTurn, images: RgbImage[]) => Prompt;

export function promptPath(checkpoint: Checkpoint, model: Model): PromptPath {
  const builder = PromptBuilder.load(checkpoint, model);
  return (turn, images) => {
    const left = [...images];
    return builder.build(turn.messages.map((message) => toMessage(message, left)));
  };
}

/** Takes this message's images from the front of `images`. */
function toMessage({ role, content }: GoldenMessage, images: RgbImage[]): Message {
  if (typeof content === 'string') return { role, content: [{ type: 'text', text: content }] };
  return {
    role,
    content: content.map((part): ContentPart =>
      part.type === 'text' ? part : { type: 'image', image: imageInput(images.shift()!) },
    ),
  };
}

function imageInput(image: RgbImage): Extract<ContentPart, { type: 'image' }>['image'] {
  return { pixelHash: '', width: image.width, height: image.height, pixels: () => Promise.resolve(image) };
}
