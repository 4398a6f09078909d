// Canonical prompts: [system][images][question], the same beginning for every tool, so that reading the text of an
// image after describing it costs only the question. The wording lives in instructions.json, on which models train.
import { createRequire } from 'node:module';
import type { ContentPart, Message } from './message.js';
import type { ImageInput } from '../image/rgb-image.js';
import type wording from './instructions.json';

export const instructions: typeof wording = createRequire(import.meta.url)('./instructions.json');

export type Detail = keyof typeof wording.describe;
export type TextFormat = keyof typeof wording.ocr;

export function describeQuestion(detail: Detail): string {
  return instructions.describe[detail];
}

export function ocrQuestion(format: TextFormat): string {
  return instructions.ocr[format];
}

/** 'crops' when the changed regions follow the two whole images, each before and after. */
export function compareQuestion(shown: keyof typeof wording.compare): string {
  return instructions.compare[shown];
}

/** The fixed beginning of every prompt; with the images after it, the prefix that warming computes. */
export function systemMessage(): Message {
  return { role: 'system', content: [text(instructions.system)] };
}

/** Images always come before the question. */
export function userMessage(images: readonly ImageInput[], question: string): Message {
  return {
    role: 'user',
    content: [...images.map((image): ContentPart => ({ type: 'image', image })), text(question)],
  };
}

export function assistantMessage(answer: string): Message {
  return { role: 'assistant', content: [text(answer)] };
}

function text(value: string): ContentPart {
  return { type: 'text', text: value };
}
