// A reply of the model → the result fields that all tools share.
import { isCut, type Reply } from './call.js';
import type { Picture } from './conversations.js';
import type { ReplyFields, SeenImage } from './fields.js';
import { bestFirst } from './choices.js';
import { shrunkNote } from './shrunk.js';

/** Said once in a conversation. */
export const BUNDLED =
  'The bundled model answered: small, for trying out, often wrong. For real work `afterimage pull mlx-community/Qwen3.5-4B-MLX-4bit`, then start with --model and that name.';

export function toFields(reply: Reply): ReplyFields {
  const { conversation, stopReason } = reply;
  const truncated = isCut(stopReason);
  const notes = [
    shrunkNote(...ofLastTurn(reply), reply.hurried),
    reply.introduces ? BUNDLED : undefined,
  ].filter((note) => note !== undefined);
  return {
    answer: readable(reply),
    ...(reply.thinking !== undefined && { thinking: reply.thinking }),
    session_id: conversation.id,
    images: seenImages(
      conversation.turns.flatMap((turn) => turn.pictures),
      reply.viewed,
    ),
    cache: reply.cache,
    stop_reason: stopReason,
    truncated,
    ...(reply.choices && { choices: bestFirst(reply.choices) }),
    ...(reply.structured !== undefined && { structured: reply.structured }),
    ...(truncated && { next: nextStep(reply) }),
    model: reply.model ?? 'loading',
    ...(notes.length > 0 && { note: notes.join(' ') }),
  };
}

/** Pictures that are new with this answer, and how they were seen: of the others earlier answers have told. */
function ofLastTurn({ conversation, viewed }: Reply): [Picture[], Reply['viewed']] {
  const pictures = conversation.turns.at(-1)?.pictures ?? [];
  const before = conversation.turns.slice(0, -1).reduce((sum, turn) => sum + turn.pictures.length, 0);
  return [pictures, viewed.slice(before)];
}

/** Lines with boxes come as JSON; people and models are shown their text. What held no lines is shown as it is. */
function readable({ text, lines }: Reply): string {
  return lines && lines.length > 0 ? lines.map((line) => line.text).join('\n') : text;
}

/** `viewed` follows prompt order, crops that are not listed included. */
export function seenImages(pictures: Picture[], viewed: Reply['viewed']): SeenImage[] {
  return pictures.flatMap(({ imageId, original, region, listed, page, input }, index) => {
    if (!listed) return [];
    const seen = viewed[index];
    return [
      {
        image_id: imageId,
        width: original.width,
        height: original.height,
        ...(page && { page: page.number, pages: page.of }),
        ...(input.moment && { frames: input.moment.frames }),
        ...(region && { region }),
        ...(seen && { viewed_width: seen.width, viewed_height: seen.height }),
      },
    ];
  });
}

function nextStep({ model, stopReason, endsForGood, structured }: Reply): string {
  if (structured !== undefined)
    return 'max_tokens left no room for more, so the answer was closed early. Ask again, for less or with a larger max_tokens.';
  if (endsForGood)
    return 'The answer was cut, and this engine cannot go on with it. Ask again, for less or with a larger max_tokens.';
  const go = 'Call chat_with_images with this session_id and an empty message';
  if (model === null) return `The model is still loading. ${go} to get the answer.`;
  if (stopReason === 'length') return `max_tokens was reached. ${go} to continue where this answer stopped.`;
  return `The time limit was reached; what was computed is kept. ${go} to continue where this answer stopped.`;
}
