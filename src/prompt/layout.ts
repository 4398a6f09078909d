// Canonical prompts: [system][images][question], the same beginning for every tool, so that reading the text of an
// image after describing it costs only the question. Where the lines read in an image are handed on, they stand behind it. The wording lives in instructions.json, on which models train.
import { createRequire } from 'node:module';
import type { ContentPart, Message } from './message.js';
import type { ImageInput } from '../image/rgb-image.js';
import type { Size } from '../image/region.js';
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

/** A question that is answered by one of these. */
export function choicesQuestion(question: string, choices: readonly string[]): string {
  return [question, instructions.choices, ...choices].join('\n');
}

/** The fixed beginning of every prompt; with the images after it, the prefix that warming computes. */
export function systemMessage(): Message {
  return { role: 'system', content: [text(instructions.system)] };
}

/** Lines of one image that are handed to the model at most. */
const MOST_READ_LINES = 80;

/** A line read in an image: its text, and where it begins, in pixels of the image. */
export interface LineStart {
  text: string;
  x: number;
  y: number;
}

/** What stands behind an image: a line for each read one, its column and row in hundredths of the image, then its text. */
export function readingText(lines: readonly LineStart[], size: Size): string {
  const written = lines.slice(0, MOST_READ_LINES).map((line) => `${place(line, size)} ${line.text}\n`);
  return `${instructions.reading}\n${written.join('')}`;
}

/** The same with what each line is before its text, for models that were trained so. @param dark Most of the image is. */
export function elementsText(
  lines: readonly (LineStart & { mark: string })[],
  size: Size,
  dark: boolean,
): string {
  const written = lines
    .slice(0, MOST_READ_LINES)
    .map((line) => `${place(line, size)} ${line.mark}: ${line.text}\n`);
  return `${instructions.elements[dark ? 'dark' : 'light']}\n${written.join('')}`;
}

/** Column and row in hundredths of the image. */
function place({ x, y }: LineStart, { width, height }: Size): string {
  const hundredth = (at: number, side: number) => Math.max(0, Math.min(99, Math.floor((100 * at) / side)));
  return `${hundredth(x, width)} ${hundredth(y, height)}`;
}

/**
 * Images always come before the question.
 * @param readings `readingText` of each image, where it is handed on.
 */
export function userMessage(
  images: readonly ImageInput[],
  question: string,
  readings: readonly (string | undefined)[] = [],
): Message {
  const shown = images.flatMap((image, at): ContentPart[] => {
    const read = readings[at];
    return [
      { type: 'image', image },
      ...(read === undefined ? [] : [{ ...text(read), reading: true as const }]),
    ];
  });
  return { role: 'user', content: [...shown, text(question)] };
}

export function assistantMessage(answer: string): Message {
  return { role: 'assistant', content: [text(answer)] };
}

function text(value: string): Extract<ContentPart, { type: 'text' }> {
  return { type: 'text', text: value };
}
