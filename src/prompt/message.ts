// A conversation as prompts are made of it: messages of text and images.
import type { ImageInput } from '../image/rgb-image.js';

export type ContentPart = { type: 'text'; text: string } | { type: 'image'; image: ImageInput };

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: ContentPart[];
}
