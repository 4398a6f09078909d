// Recorded prompts of nine tokenizers and templates, and a prompt builder over each of them without weights.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ImageInput } from '../../src/image/rgb-image.js';
import type { Message } from '../../src/prompt/message.js';
import type { ImagePlan } from '../../src/models/family.js';
import { PromptBuilder } from '../../src/prompt/prompt.js';
import { ChatTemplate, findTemplate, specialTokenStrings } from '../../src/prompt/template.js';
import { Tokenizer } from '../../src/prompt/tokenizer.js';

type RecordedPart = { type: 'text'; text: string } | { type: 'image'; image: string };

export interface RecordedTurn {
  case: string;
  messages: { role: Message['role']; content: string | RecordedPart[] }[];
  /** What each image becomes, as (text, repetitions). */
  blocks: [string, number][][];
  prompt: string;
  input_ids: number[];
  image_runs: [number, number][];
  common_prefix?: number;
}

interface Recorded {
  imagePlaceholder: string;
  imageToken: string;
  imageTokenId: number;
  turns: RecordedTurn[];
}

const FIXTURES = fileURLToPath(new URL('./fixtures/', import.meta.url));

export const familyNames = readdirSync(FIXTURES);

export function familyFolder(name: string): string {
  return join(FIXTURES, name);
}

export function readFixture<T>(name: string, file: string): T {
  return JSON.parse(readFileSync(join(FIXTURES, name, file), 'utf8')) as T;
}

export function recorded(name: string): Recorded {
  return readFixture<Recorded>(name, 'prompts.json');
}

/** A builder whose processor turns the image of width n into `blocks[n]`. */
export function builderFor(
  name: string,
  blocks: RecordedTurn['blocks'],
  tokenizer = Tokenizer.load(familyFolder(name)),
): PromptBuilder {
  const { imagePlaceholder, imageToken, imageTokenId } = recorded(name);
  const folder = familyFolder(name);
  const processor = { plan: (width: number) => planOf(blocks[width]!, imageToken) };
  const renderPrompt = name === 'paligemma' ? renderPaligemma : undefined;
  const source = findTemplate(folder);
  const template =
    source === undefined
      ? undefined
      : new ChatTemplate(source, imagePlaceholder, specialTokenStrings(folder));
  return new PromptBuilder(
    { imagePlaceholder, imageToken, imageTokenId, processor, renderPrompt },
    tokenizer,
    template,
  );
}

export function planOf(block: [string, number][], imageToken: string): ImagePlan {
  const tokens = block.reduce((sum, [text, count]) => sum + (text === imageToken ? count : 0), 0);
  const placeholder = block.map(([text, count]) => text.repeat(count)).join('');
  return { tokens, placeholder, viewedWidth: 1, viewedHeight: 1, symbols: {}, layout: {} };
}

function renderPaligemma(turns: { text: string; images: number }[]): string {
  return `${'<image>'.repeat(turns[0]!.images)}<bos>${turns[0]!.text}\n`;
}

/** Recorded messages as the engine takes them; the i-th image has width i. */
export function toMessages(messages: RecordedTurn['messages']): Message[] {
  let next = 0;
  return messages.map(({ role, content }) => {
    const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
    return {
      role,
      content: parts.map((part) =>
        part.type === 'image' ? { type: 'image', image: imageOf(next++) } : part,
      ),
    };
  });
}

export function imageOf(width: number): ImageInput {
  return {
    pixelHash: `${width}`,
    width,
    height: 1,
    pixels: () => Promise.reject(new Error('not asked for')),
  };
}

export function user(text: string, ...images: ImageInput[]): Message {
  return {
    role: 'user',
    content: [...images.map((image) => ({ type: 'image' as const, image })), { type: 'text', text }],
  };
}
