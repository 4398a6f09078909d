// describe_image: what one image, or a part of it, shows.
import * as z from 'zod';
import { describeQuestion, DETAILS } from '../src/prompt/layout.js';
import { checkChoices } from '../src/ask/choices.js';
import { ask, type Call } from '../src/ask/call.js';
import type { Conversation, Picture } from '../src/ask/conversations.js';
import * as fields from '../src/ask/fields.js';
import type { ReplyFields } from '../src/ask/fields.js';
import { annotated, checkLocate, locate } from '../src/ask/locate.js';
import { checkTimeline, lookAt, lookAtFrames, lookAtOne } from '../src/ask/look.js';
import { likelyText, withReadings } from '../src/ask/read.js';
import { toFields } from '../src/ask/reply.js';
import { checkSchema } from '../src/ask/schemas.js';
import { defineTool, LOOKS_ONLY, type ToolResult } from '../src/ask/tool.js';

/** Longest description unless the caller says otherwise, in tokens. */
export const DESCRIPTION_TOKENS: Record<(typeof DETAILS)[number], number> = {
  brief: 96,
  normal: 384,
  full: 1024,
};

/** Of what is to be located. */
const LONGEST_NAME = 500;
const LOCATE_TOKENS = 512;

const input = z.strictObject({
  image: fields.image,
  page: fields.page,
  fps: fields.fps,
  question: fields.question('What to find out; without it the image is described.').optional(),
  detail: z
    .enum(DETAILS)
    .default('normal')
    .describe('How much to describe; full also looks as closely as it can.'),
  region: fields.region.optional(),
  locate: z
    .string()
    .max(LONGEST_NAME)
    .optional()
    .describe('Instead: where this is, such as "the blue Send button".'),
  annotate: z.boolean().optional().describe('Also a picture of the places, numbered.'),
  inline_annotation: z.boolean().optional().describe('Also return that picture itself.'),
  choices: fields.choices,
  schema: fields.schema,
  max_tokens: fields.maxTokens().optional(),
  session_id: fields.sessionId.optional(),
  reading: fields.reading,
  model: fields.model,
});

const output = z.looseObject({
  ...fields.replyFields,
  places: z
    .array(z.looseObject({ source: z.string() }))
    .optional()
    .describe('What was located, each with center, x, y, width, height.'),
});

type Arguments = z.infer<typeof input>;

export const describeImage = defineTool({
  name: 'describe_image',
  title: 'Describe an image',
  description: `Describe one image, or answer one question about it: a screenshot, photo, chart, diagram or UI.
For its text use ocr, for what changed between two images compare_images, for several images or questions chat_with_images. Further questions about an image are fast: what was seen is kept.`,
  annotations: LOOKS_ONLY,
  input,
  output,
  async run(args, call) {
    const { image, question, detail, region, choices, max_tokens, session_id, reading, ...given } = args;
    checkLocate(args);
    checkTimeline(args.fps, { page: args.page, region, locate: given.locate, reading });
    checkChoices(choices, question);
    const schema = await checkSchema(given.schema, { choices });
    const wanted = { image, page: args.page, region, closely: detail === 'full' };
    const known = session_id === undefined ? undefined : call.conversations.get(session_id);
    if (given.locate !== undefined)
      return located(call, { ...args, locate: given.locate }, await lookAtOne(call, wanted), known);
    const looked =
      args.fps === undefined ? await lookAt(call, [wanted]) : await lookAtFrames(call, [image], args.fps);
    const conversation = known ?? call.conversations.start();
    const fresh = looked.every((picture) => isSeen(conversation, picture, looked.length)) ? [] : looked;
    const pictures = await withReadings(call, fresh, reading);
    const continues =
      question === undefined && !schema && pictures.length === 0 && conversation.cut !== undefined;
    const expected = schema && (await likelyText(call, pictures, conversation.turns));
    const reply = await ask(call, conversation, {
      turn: continues
        ? undefined
        : { pictures, question: question || describeQuestion(detail), choices, schema, expected },
      maxTokens: max_tokens ?? DESCRIPTION_TOKENS[detail],
      states: true,
      whole: !question && detail === 'full',
    });
    return { structured: toFields(reply) };
  },
});

async function located(
  call: Call,
  { locate: what, annotate, inline_annotation, reading, max_tokens }: Arguments & { locate: string },
  picture: Picture,
  conversation: Conversation | undefined,
): Promise<ToolResult> {
  const shown = conversation !== undefined && isSeen(conversation, picture);
  const maxTokens = max_tokens ?? LOCATE_TOKENS;
  const found = await locate(call, { what, picture, conversation, shown, reading, maxTokens });
  const draws = (annotate === true || inline_annotation === true) && found.places.length > 0;
  if (!draws) return { structured: found };
  const { uri, ...pictures } = await annotated(call, picture, found.places, inline_annotation === true);
  return { structured: { ...found, annotated: uri } as ReplyFields, ...pictures };
}

/** An image that the session is already about, or one of so many pages, is not shown to the model a second time. */
function isSeen({ turns }: Conversation, { input }: Picture, last = 1): boolean {
  const lately = turns.flatMap(({ pictures }) => pictures).slice(-last);
  return lately.some(
    (seen) =>
      seen.input.pixelHash === input.pixelHash &&
      (input.maxPixels === undefined || input.maxPixels === seen.input.maxPixels),
  );
}
