// ocr: the text of an image in reading order, with boxes where the model can say where text is.
import { z } from 'zod';
import { AfterimageError } from '../src/errors.js';
import type { ModelInfo } from '../src/engine/engine.js';
import { ocrQuestion } from '../src/prompt/layout.js';
import { parseLines } from '../src/prompt/parse.js';
import { ask, loaded } from '../src/ask/call.js';
import type { LineReader, Picture } from '../src/ask/conversations.js';
import * as fields from '../src/ask/fields.js';
import { lookAt } from '../src/ask/look.js';
import { toFields } from '../src/ask/reply.js';
import { defineTool, LOOKS_ONLY } from '../src/ask/tool.js';

const input = z.strictObject({
  image: fields.image,
  region: fields.region.optional(),
  format: z
    .enum(['text', 'lines'])
    .default('text')
    .describe('lines: also a box for each line, with models that can locate text.'),
  languages: z.array(z.string().min(1).max(40)).max(8).optional().describe('Of the text, if known.'),
  max_tokens: fields.maxTokens().default(1024),
});

const output = z.looseObject({
  ...fields.replyFields,
  lines: z.array(fields.textLine).optional().describe('Each with x, y, width, height.'),
});

export const ocr = defineTool({
  name: 'ocr',
  title: 'Read text',
  description: `Read the text of an image in reading order: screenshots, documents, error messages, tables. [?] stands for what cannot be read.
For small text pass a region. For what an image shows use describe_image. A long text ends truncated and is continued with chat_with_images.`,
  annotations: LOOKS_ONLY,
  input,
  output,
  async run({ image, region, format, languages = [], max_tokens }, call) {
    const pictures = await lookAt(call, [{ image, region }]);
    const reader = format === 'lines' ? lineReader(pictures[0]!) : undefined;
    if (reader) requireBoxes(await loaded(call));
    const spoken = languages.length > 0 ? ` The text is in ${languages.join(', ')}.` : '';
    const reply = await ask(call, call.conversations.start(), {
      turn: { pictures, question: ocrQuestion(format) + spoken },
      maxTokens: max_tokens,
      reader,
    });
    const { lines } = reply;
    return { structured: { ...toFields(reply), ...(lines && { lines }) } };
  },
});

function lineReader({ original, region }: Picture): LineReader {
  return (answer, viewed, boxes) => parseLines(answer, { boxes, viewed, original, shown: region }).lines;
}

/** A model that is still loading is not judged yet. */
function requireBoxes(model: ModelInfo | null): void {
  if (model === null || model.boxes !== null) return;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `The model ${model.name} cannot say where text is. Ask for its plain text (format "text", without --lines), or use a model that locates text, such as Qwen2.5-VL or Qwen3-VL (--model DIR).`,
  );
}
