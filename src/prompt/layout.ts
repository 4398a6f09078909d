// Canonical prompts: [system][images][question], the same beginning for every tool, so that reading the text of an
// image after describing it costs only the question. Where the lines read in an image are handed on, they stand behind it. The wording lives in instructions.json, on which models train.
import { createRequire } from 'node:module';
import type { ContentPart, Message } from './message.js';
import type { ImageInput } from '../image/rgb-image.js';
import type { BoxScale, Region, Size } from '../image/region.js';
import type wording from './instructions.json';

export const instructions: typeof wording = createRequire(import.meta.url)('./instructions.json');

export type Detail = keyof typeof wording.describe;

/** From the shortest to the longest. */
export const DETAILS = ['brief', 'normal', 'full'] as const satisfies Detail[];
export type TextFormat = keyof typeof wording.ocr;

export function describeQuestion(detail: Detail): string {
  return instructions.describe[detail];
}

export function ocrQuestion(format: TextFormat): string {
  return instructions.ocr[format];
}

/** Where something is, asked as a model was trained to be that writes coordinates in this scale. */
export function locateQuestion(what: string, scale: BoxScale): string {
  const { boxes, shares, tokens } = instructions.locate;
  const line = what.replace(/\s+/g, ' ').trim();
  if (scale === 'relative-1024') return `${tokens} ${line}`;
  return `${scale === 'relative-1' ? shares : boxes}\n${line}`;
}

/** 'crops' when the changed regions follow the two whole images, each before and after. */
export function compareQuestion(shown: keyof typeof wording.compare): string {
  return instructions.compare[shown];
}

/** A question that is answered by one of these. */
export function choicesQuestion(question: string, choices: readonly string[]): string {
  return [question, instructions.choices, ...choices].join('\n');
}

/** A question that is answered by a value which holds by the schema. */
export function schemaQuestion(question: string, schema: object): string {
  return [question, instructions.schema, JSON.stringify(schema)].join('\n');
}

/** The fixed beginning of every prompt; with the images after it, the prefix that warming computes. */
export function systemMessage(): Message {
  return { role: 'system', content: [text(instructions.system)] };
}

/** Lines of one image that are handed to the model at most. */
const MOST_READ_LINES = 80;

/** A line read in an image, in pixels of the image. */
export interface ReadLine {
  text: string;
  box: Region;
}

/** One that is known: what it is in words ("button, disabled"), the first of them its role. */
export interface MarkedLine extends ReadLine {
  mark: string;
}

/** Roles that are counted, in the order of equal counts. */
const COUNTED = [
  'button',
  'field',
  'checkbox',
  'switch',
  'radio',
  'tab',
  'link',
  'item',
  'menu item',
  'row',
  'message',
  'line',
  'bar',
];

/** What stands behind an image: a line for each read one, its column and row in hundredths of the image, then its text. */
export function readingText(lines: readonly ReadLine[], size: Size): string {
  const written = lines.slice(0, MOST_READ_LINES).map(({ text, box }) => `${place(box, size)} ${text}\n`);
  return `${instructions.reading}\n${written.join('')}`;
}

/**
 * For models that were trained so: how many elements of each role there are, then for each line the column and row of its
 * middle, what it is, and its text.
 * @param dark Most of the image is.
 */
export function elementsText(lines: readonly MarkedLine[], size: Size, dark: boolean): string {
  const given = lines.slice(0, MOST_READ_LINES);
  const found = countedElements(given);
  const written = given.map(({ text, box, mark }) => `${place(middle(box), size)} ${mark}: ${text}\n`);
  const head = [instructions.elements[dark ? 'dark' : 'light'], ...(found.length ? [found.join(', ')] : [])];
  return `${head.join(' ')}\n${written.join('')}`;
}

/** "2 buttons": how many elements of each role the lines are, most frequent first. */
export function countedElements(lines: readonly MarkedLine[]): string[] {
  return counts(lines).map(([role, count]) => `${count} ${count === 1 ? role : plural(role)}`);
}

/** How many elements of each role the lines are, most frequent first; the cells of a row, beside each other, are one. */
function counts(lines: readonly MarkedLine[]): [string, number][] {
  const found = new Map<string, number>();
  lines.forEach(({ mark, box }, i) => {
    const [role] = mark.split(',') as [string];
    const last = lines[i - 1];
    const beside =
      last?.mark.split(',')[0] === role &&
      Math.abs(middle(box).y - middle(last.box).y) <= 0.5 * last.box.height;
    if (COUNTED.includes(role) && !(role === 'row' && beside)) found.set(role, (found.get(role) ?? 0) + 1);
  });
  return [...found].sort(([a, n], [b, m]) => m - n || COUNTED.indexOf(a) - COUNTED.indexOf(b));
}

/** As a prompt counts elements. */
export function plural(role: string): string {
  return `${role}${/(x|ch)$/.test(role) ? 'es' : 's'}`;
}

function middle({ x, y, width, height }: Region): { x: number; y: number } {
  return { x: x + width / 2, y: y + height / 2 };
}

/** Column and row in hundredths of the image. */
function place({ x, y }: { x: number; y: number }, { width, height }: Size): string {
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
  const shown = images.flatMap((image, at) => imageParts(image, readings[at]));
  return { role: 'user', content: [...shown, text(question)] };
}

/** An image and, where it is handed on, what was read in it. */
export function imageParts(image: ImageInput, reading?: string): ContentPart[] {
  return [
    { type: 'image', image },
    ...(reading === undefined ? [] : [{ ...text(reading), reading: true as const }]),
  ];
}

export function assistantMessage(answer: string): Message {
  return { role: 'assistant', content: [text(answer)] };
}

function text(value: string): Extract<ContentPart, { type: 'text' }> {
  return { type: 'text', text: value };
}
