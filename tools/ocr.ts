// ocr: the text of an image in reading order, with places. The text reader reads it, exactly and without the model;
// the model reads what is no plain text.
import * as z from 'zod';
import { AfterimageError } from '../src/errors.js';
import { NOTHING_DONE, type ModelInfo } from '../src/engine/engine.js';
import { ocrQuestion } from '../src/prompt/layout.js';
import { parseLines } from '../src/prompt/parse.js';
import { centerOf } from '../src/prompt/places.js';
import { findText } from '../src/reading/find.js';
import { textOf, wordsOf, type Reading, type ReadLine } from '../src/reading/reading.js';
import { regionOf } from '../src/reading/quad.js';
import { ask, loaded, type Call } from '../src/ask/call.js';
import type { LineReader, Picture } from '../src/ask/conversations.js';
import * as fields from '../src/ask/fields.js';
import { lookAt, lookAtOne } from '../src/ask/look.js';
import { inOriginal, likelyText, readText } from '../src/ask/read.js';
import { seenImages, toFields } from '../src/ask/reply.js';
import { defineTool, LOOKS_ONLY } from '../src/ask/tool.js';

const input = z.strictObject({
  image: fields.image,
  page: fields.page,
  region: fields.region.optional(),
  find: fields
    .question('Text to look for; returns where it stands and the points to click, best match first.')
    .optional(),
  format: z
    .enum(['text', 'lines', 'words'])
    .default('text')
    .describe('lines, words: also each with its box and confidence.'),
  method: z
    .enum(['reader', 'model'])
    .default('reader')
    .describe('model: for handwriting, formulas, tables as Markdown; slower.'),
  languages: z.array(z.string().min(1).max(40)).max(8).optional().describe('For the model, if known.'),
  max_tokens: fields.maxTokens().default(1024),
});

const output = z.looseObject({
  ...fields.replyFields,
  lines: z.array(fields.textLine).optional().describe('Each with x, y, width, height.'),
  matches: z.array(fields.textLine).optional().describe('Each with x, y, width, height, center, score.'),
});

type Arguments = z.infer<typeof input>;

export const ocr = defineTool({
  name: 'ocr',
  title: 'Read text',
  description: `Read the text of an image in reading order, exactly and at once: screenshots, documents, error messages, tables. With find, say where a text stands and where to click. [?] stands for what cannot be read.
For what an image shows use describe_image. With method model a long text ends truncated and is continued with chat_with_images.`,
  annotations: LOOKS_ONLY,
  input,
  output,
  async run(args, call) {
    const { image, page, region, method } = args;
    const wanted = { image, page, region };
    return method === 'model'
      ? byModel(args, await lookAtOne(call, wanted), call)
      : { structured: await byReader(args, await lookAt(call, [wanted]), call) };
  },
});

/** Of several pages one after the other; boxes and matches say on which they stand. */
async function byReader(args: Arguments, pictures: Picture[], call: Call) {
  checkFind(args.find);
  const read: Read[] = [];
  for (const picture of pictures) {
    const part = await readText(call, picture);
    if (part) read.push(readIn(picture, part, pictures.length > 1));
  }
  const cut = read.length < pictures.length;
  const reply: fields.ReplyFields = {
    answer: '',
    images: seenImages(pictures, []),
    cache: NOTHING_DONE,
    stop_reason: cut ? 'deadline' : 'end',
    truncated: cut,
    model: 'none',
  };
  const next = { next: 'The time limit was reached. Call ocr again: lines already read are kept.' };
  if (read.length === 0) return { ...reply, ...next };
  const shown = args.find === undefined ? textOfAll(read, args.format) : found(read, args.find);
  return { ...reply, ...(cut && next), ...shown };
}

interface Read {
  reading: Reading;
  /** Where there are several pages. */
  on: { page?: number };
}

function readIn(picture: Picture, part: Reading, several: boolean): Read {
  const { page } = picture;
  return { reading: inOriginal(part, picture), on: several && page ? { page: page.number } : {} };
}

function textOfAll(read: Read[], format: Arguments['format']) {
  const texts = read.map(({ reading }) => textOf(reading)).filter((text) => text !== '');
  const lines = read.flatMap(({ reading, on }) =>
    reading.lines.map((line) => ({ ...listed(line, format, reading), ...on })),
  );
  return {
    answer: texts.join('\n\n') || 'There is no text in the image.',
    ...(format !== 'text' && { lines }),
  };
}

function listed(line: ReadLine, format: Arguments['format'], picture: Reading) {
  const { text, confidence, box, quad } = line;
  const words = wordsOf(line).map((word) => ({ text: word.text, ...regionOf(word.bounds, picture) }));
  return {
    text,
    ...box,
    confidence,
    ...(quad && { corners: quad.map(({ x, y }) => [x, y]) }),
    ...(format === 'words' && { words }),
  };
}

function checkFind(wanted: string | undefined): void {
  if (wanted?.trim() !== '') return;
  throw new AfterimageError('INVALID_ARGUMENT', 'find is empty; say which text to look for.');
}

function found(read: Read[], wanted: string) {
  const all = read.flatMap(({ reading, on }) =>
    findText(reading, wanted).map(({ text, score, bounds }) => {
      const box = regionOf(bounds, reading);
      return { text, score, ...box, center: centerOf(box), ...on };
    }),
  );
  const matches = all.sort((a, b) => b.score - a.score);
  const answer = matches
    .map(({ text, center, page }) => `"${text}" at ${center.x},${center.y}${page ? ` on page ${page}` : ''}`)
    .join('\n');
  return { answer: answer || `"${wanted}" does not stand in the image.`, matches };
}

async function byModel(args: Arguments, picture: Picture, call: Call) {
  const { format, languages = [], max_tokens } = args;
  if (args.find !== undefined || format === 'words') {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      'The model does not know where words stand; leave out method, so that the text reader answers.',
    );
  }
  const reader = format === 'lines' ? lineReader(picture) : undefined;
  if (reader) requireBoxes(await loaded(call));
  const spoken = languages.length > 0 ? ` The text is in ${languages.join(', ')}.` : '';
  const expected = await likelyText(call, [picture]);
  const reply = await ask(call, call.conversations.start(), {
    turn: { pictures: [picture], question: ocrQuestion(format) + spoken, expected },
    maxTokens: max_tokens,
    reader,
  });
  const { lines } = reply;
  return { structured: { ...toFields(reply), ...(lines && { lines }) } };
}

function lineReader({ original, region }: Picture): LineReader {
  return (answer, viewed, boxes) => parseLines(answer, { boxes, viewed, original, shown: region }).lines;
}

/** A model that is still loading is not judged yet. */
function requireBoxes(model: ModelInfo | null): void {
  if (model === null || model.boxes?.lines) return;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `The model ${model.name} cannot say where text is. Leave out method, so that the text reader answers, or use a model that locates text, such as Qwen2.5-VL or Qwen3-VL (--model DIR).`,
  );
}
