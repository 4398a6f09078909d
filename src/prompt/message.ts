// A conversation as prompts are made of it: messages of text and images.
import type { ImageInput } from '../image/rgb-image.js';

/** `reading`: the lines that the text reader found in the image before it. */
export type ContentPart =
  { type: 'text'; text: string; reading?: true } | { type: 'image'; image: ImageInput };

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: ContentPart[];
}
