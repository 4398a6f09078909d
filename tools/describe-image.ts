// describe_image: what one image, or a part of it, shows.
import { z } from 'zod';
import { describeQuestion, DETAILS } from '../src/prompt/layout.js';
import { checkChoices } from '../src/ask/choices.js';
import { ask } from '../src/ask/call.js';
import type { Conversation, Picture } from '../src/ask/conversations.js';
import * as fields from '../src/ask/fields.js';
import { lookAt } from '../src/ask/look.js';
import { withReadings } from '../src/ask/read.js';
import { toFields } from '../src/ask/reply.js';
import { checkSchema } from '../src/ask/schemas.js';
import { defineTool, LOOKS_ONLY } from '../src/ask/tool.js';

/** Longest description unless the caller says otherwise, in tokens. */
export const DESCRIPTION_TOKENS: Record<(typeof DETAILS)[number], number> = {
  brief: 96,
  normal: 384,
  full: 1024,
};

const input = z.strictObject({
  image: fields.image,
  question: fields.question('What to find out; without it the image is described.').optional(),
  detail: z
    .enum(DETAILS)
    .default('normal')
    .describe('How much to describe; full also looks as closely as the model can.'),
  region: fields.region.optional(),
  choices: fields.choices,
  schema: fields.schema,
  max_tokens: fields.maxTokens().optional(),
  session_id: fields.sessionId.optional(),
  reading: fields.reading,
  model: fields.model,
});

export const describeImage = defineTool({
  name: 'describe_image',
  title: 'Describe an image',
  description: `Describe one image, or answer one question about it: a screenshot, photo, chart, diagram or UI.
For its text use ocr, for what changed between two images compare_images, for several images or questions chat_with_images. Further questions about an image are fast, because what was seen is kept; with session_id they are asked in that session.`,
  annotations: LOOKS_ONLY,
  input,
  output: z.looseObject(fields.replyFields),
  async run({ image, question, detail, region, choices, max_tokens, session_id, reading, ...given }, call) {
    checkChoices(choices, question);
    const schema = await checkSchema(given.schema, { choices });
    const [picture] = await lookAt(call, [{ image, region, closely: detail === 'full' }]);
    const conversation =
      session_id === undefined ? call.conversations.start() : call.conversations.get(session_id);
    const fresh = picture && !isLastSeen(conversation, picture) ? [picture] : [];
    const pictures = await withReadings(call, fresh, reading);
    const continues =
      question === undefined && !schema && pictures.length === 0 && conversation.cut !== undefined;
    const reply = await ask(call, conversation, {
      turn: continues
        ? undefined
        : { pictures, question: question || describeQuestion(detail), choices, schema },
      maxTokens: max_tokens ?? DESCRIPTION_TOKENS[detail],
      states: true,
      whole: !question && detail === 'full',
    });
    return { structured: toFields(reply) };
  },
});

/** An image that the session is already about is not shown to the model a second time. */
function isLastSeen({ turns }: Conversation, picture: Picture): boolean {
  const last = turns.flatMap(({ pictures }) => pictures).at(-1);
  if (last?.input.pixelHash !== picture.input.pixelHash) return false;
  return picture.input.maxPixels === undefined || picture.input.maxPixels === last.input.maxPixels;
}
