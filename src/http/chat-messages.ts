// Messages as they were sent → a conversation for the engine: images loaded under the same policy as the tools', and put
// where every question about them finds them computed.
import { AfterimageError } from '../errors.js';
import { lookAtEach, lookAtFrames } from '../ask/look.js';
import { withReadings, type ReadingCall } from '../ask/read.js';
import type { Picture } from '../ask/conversations.js';
import type { ImageInput } from '../image/rgb-image.js';
import { imageParts, systemMessage } from '../prompt/layout.js';
import type { ContentPart, Message } from '../prompt/message.js';
import type { App } from '../mcp/app.js';
import type { WantedMessage, WantedPart } from './chat-request.js';
import { RefusedField } from './failures.js';

export interface Conversation {
  messages: Message[];
  images: ImageInput[];
}

export interface Looking
  extends Pick<App, 'images' | 'drawings'>, Omit<ReadingCall, 'deadline' | 'onProgress'> {
  mostImages: number;
  /** The other side is an Afterimage, whose tools hand on what was read themselves. */
  reads: boolean;
}

/**
 * Behind each image what was read in it, where the model was trained to answer from that: as the tools do.
 * @throws AfterimageError INVALID_ARGUMENT, TOO_MANY_IMAGES and what loading and reading an image throws.
 */
export async function conversationOf(wanted: WantedMessage[], looking: Looking): Promise<Conversation> {
  const { mostImages } = looking;
  checkOrder(wanted);
  const shownParts = wanted.flatMap(({ parts }) => parts.filter(isShown));
  if (shownParts.length > mostImages) throw tooMany(shownParts.length, mostImages);
  const seen: Picture[][] = [];
  for (const part of shownParts) seen.push(await lookAtPart(part, looking));
  const call = { ...looking, deadline: Infinity, onProgress: () => {} };
  // A timeline counts once; how many frames it has is bounded where they are loaded.
  const count = seen.flat().filter(({ listed }) => listed).length;
  if (count > mostImages) throw tooMany(count, mostImages);
  const read = await withReadings(call, seen.flat(), looking.reads ? false : undefined);
  // Of a document there are several.
  const pictures = seen.map((of) => read.splice(0, of.length));
  const turns = merged(wanted);
  const rest = [...pictures];
  const messages = turns.map(({ role, parts }) => ({ role, content: imagesFirst(parts).flatMap(toParts) }));
  return {
    messages: messages[0]?.role === 'system' ? messages : [systemMessage(), ...messages],
    images: pictures.flat().map(({ input }) => input),
  };

  function toParts(part: WantedPart): ContentPart[] {
    return part.type === 'text' ? [part] : rest.shift()!.flatMap(shown);
  }
}

type ShownPart = Exclude<WantedPart, { type: 'text' }>;

const isShown = (part: WantedPart): part is ShownPart => part.type !== 'text';

async function lookAtPart(part: ShownPart, looking: Looking): Promise<Picture[]> {
  if (part.type === 'video') return lookAtFrames(looking, part.urls, part.fps);
  return (await lookAtEach(looking, [{ image: part.url }])).flat();
}

function tooMany(count: number, mostImages: number): AfterimageError {
  return new AfterimageError(
    'TOO_MANY_IMAGES',
    `A request takes at most ${mostImages} images and got ${count}; ask about fewer at once, or start the ` +
      'server with a larger --max-images.',
  );
}

const shown = ({ input, reading }: Picture): ContentPart[] => imageParts(input, reading?.written);

function checkOrder(wanted: WantedMessage[]): void {
  const from = wanted.findIndex(({ role }) => role !== 'system');
  const late = wanted.findIndex(({ role }, index) => role === 'system' && index > from);
  if (from >= 0 && late >= 0)
    throw new RefusedField(
      `messages[${late}]`,
      'System messages come first; move this one to the beginning.',
    );
  if (wanted.at(-1)?.role !== 'user')
    throw new RefusedField('messages', "The last message must be the user's, with the question.");
}

/** Templates want roles in turns: neighbours of one role are one message. */
function merged(wanted: WantedMessage[]): WantedMessage[] {
  const turns: WantedMessage[] = [];
  for (const { role, parts } of wanted) {
    const last = turns.at(-1);
    if (last?.role !== role) turns.push({ role, parts: [...parts] });
    else
      last.parts.push(
        ...(needsBreak(last.parts, parts) ? [{ type: 'text' as const, text: '\n' }] : []),
        ...parts,
      );
  }
  return turns;
}

function needsBreak(before: WantedPart[], after: WantedPart[]): boolean {
  return before.at(-1)?.type === 'text' && after[0]?.type === 'text';
}

/**
 * Images before the text, as in every prompt of the tools, so that another question about them costs only the question.
 * Where text stands between images it may name them ("before:", "after:"), and the order is the sender's.
 */
export function imagesFirst(parts: WantedPart[]): WantedPart[] {
  const at = parts.flatMap(({ type }, index) => (type === 'text' ? [] : [index]));
  const together = at.every((place, index) => index === 0 || place === at[index - 1]! + 1);
  if (!together) return parts;
  return [...parts.filter(isShown), ...parts.filter(({ type }) => type === 'text')];
}
