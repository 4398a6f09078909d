// chat_with_images: a conversation about images whose history stays here.
import * as z from 'zod';
import { AfterimageError } from '../src/errors.js';
import { ask, type Call } from '../src/ask/call.js';
import { checkChoices } from '../src/ask/choices.js';
import type { Conversation } from '../src/ask/conversations.js';
import * as fields from '../src/ask/fields.js';
import { lookAt, lookAtFrames, MOST_IMAGES } from '../src/ask/look.js';
import { likelyText, withReadings } from '../src/ask/read.js';
import { toFields } from '../src/ask/reply.js';
import { checkSchema } from '../src/ask/schemas.js';
import { defineTool, LOOKS_ONLY } from '../src/ask/tool.js';

const input = z.strictObject({
  message: fields.question('What to say; empty: go on with an answer that was truncated.'),
  images: z.array(fields.source).max(MOST_IMAGES).optional().describe('Added; see describe_image.'),
  frames: z.array(fields.source).min(1).optional().describe('Up to 64 as one timeline, or one GIF or WebP.'),
  fps: z.number().optional().describe('Of frames; usually 2.'),
  session_id: fields.sessionId.optional(),
  page: fields.page,
  reading: fields.reading,
  choices: fields.choices,
  schema: fields.schema,
  fork: z.boolean().default(false).describe('Answer in a copy of the session.'),
  max_tokens: fields.maxTokens().default(512),
  model: fields.model,
});

const output = z.looseObject({
  ...fields.replyFields,
  lines: z.array(fields.textLine).optional().describe('Further lines of an ocr in lines format.'),
});

export const chatWithImages = defineTool({
  name: 'chat_with_images',
  title: 'Chat about images',
  description: `Ask several questions about up to ${MOST_IMAGES} images at a time. The first call takes images and returns a session_id; later ones pass it with the new message. Also continues truncated answers of the other tools.
For one question about one image describe_image is simpler, for text ocr. Sessions end after ${fields.SESSION_MINUTES} idle minutes.`,
  annotations: { ...LOOKS_ONLY, idempotentHint: false },
  input,
  output,
  async run({ message, images = [], page, session_id, fork, max_tokens, reading, choices, ...given }, call) {
    checkChoices(choices, message);
    const { frames, fps } = given;
    const schema = await checkSchema(given.schema, { choices, continues: message === '' });
    if (fps !== undefined && !frames) throw framesMissing();
    const single = await lookAt(
      call,
      images.map((image) => ({ image, page })),
    );
    const seen = frames ? [...single, ...(await lookAtFrames(call, frames, fps))] : single;
    const pictures = await withReadings(call, seen, reading);
    const continues = message === '' && pictures.length === 0;
    if (message === '' && !continues) throw questionMissing();
    const conversation = converse(call, session_id, fork, pictures.length > 0);
    const expected = schema && (await likelyText(call, pictures, conversation.turns));
    const reply = await ask(call, conversation, {
      turn: continues ? undefined : { pictures, question: message, choices, schema, expected },
      maxTokens: max_tokens,
      states: true,
    });
    return { structured: { ...toFields(reply), ...(reply.lines && { lines: reply.lines }) } };
  },
});

function converse(
  { conversations }: Call,
  sessionId: string | undefined,
  fork: boolean,
  withImages: boolean,
): Conversation {
  if (sessionId !== undefined) return fork ? conversations.fork(sessionId) : conversations.get(sessionId);
  if (fork)
    throw new AfterimageError('INVALID_ARGUMENT', 'fork needs the session_id of the session to copy.');
  if (!withImages) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      'A new session needs images: pass images, or the session_id of an earlier result.',
    );
  }
  return conversations.start();
}

function framesMissing(): AfterimageError {
  return new AfterimageError('INVALID_ARGUMENT', 'fps is of frames: pass those too, or leave it out.');
}

function questionMissing(): AfterimageError {
  return new AfterimageError(
    'INVALID_ARGUMENT',
    'New images need a message: say what you want to know about them.',
  );
}
