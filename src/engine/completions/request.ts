// A conversation as the body of POST /chat/completions: [system][images][question], images as data URLs, greedy unless told
// otherwise, so that a server's own prefix cache finds what it saw before.
import type OpenAI from 'openai';
import { AfterimageError } from '../../errors.js';
import type { ImageInput } from '../../image/rgb-image.js';
import type { ContentPart, Message } from '../../prompt/message.js';
import type { AskOptions } from '../engine.js';
import { PEER, type PeerRequest } from './peer.js';
import { uuidOf, type KnownImages, type SentImages } from './sent-images.js';
import { TRAITS, type ServerKind } from './server-kind.js';

export type Body = OpenAI.ChatCompletionCreateParamsStreaming;

export interface Addressee {
  kind: ServerKind;
  model: string;
  known: KnownImages;
  images: SentImages;
}

export interface Letter {
  body: Body;
  /** In prompt order, in the size in which they were sent. */
  viewed: { width: number; height: number }[];
  images: ImageInput[];
  /** Those that were only named. */
  named: ImageInput[];
}

/** @throws AfterimageError INVALID_ARGUMENT where an answer cannot be continued there, MODEL_UNSUPPORTED for timelines. */
export async function letterTo(
  addressee: Addressee,
  messages: Message[],
  options: AskOptions & { maxTokens: number },
  peer: PeerRequest | undefined,
): Promise<Letter> {
  const { kind, model } = addressee;
  const viewed: Letter['viewed'] = [];
  const named: ImageInput[] = [];
  const said: unknown[] = [];
  for (const { role, content } of messages) {
    const parts = [];
    for (const part of content) parts.push(...(await partOf(part, addressee, viewed, named)));
    said.push({ role, content: role === 'user' ? parts : textOf(content) });
  }
  const body = {
    model,
    messages: [...said, ...beginningOf(kind, options)],
    stream: true as const,
    stream_options: { include_usage: true },
    max_tokens: options.maxTokens,
    ...samplingOf(kind, options),
    // Elsewhere nobody would say whether a stop string ended the answer, so it is looked for here.
    ...(kind === 'afterimage' && options.stop && options.stop.length > 0 && { stop: options.stop }),
    ...continuationOf(kind, options),
    ...formOf(kind, options),
    ...TRAITS[kind].extras,
    ...(peer && { [PEER]: peer }),
  };
  const images = messages.flatMap(({ content }) =>
    content.flatMap((part) => (part.type === 'image' ? [part.image] : [])),
  );
  return { body: body as unknown as Body, viewed, images, named };
}

async function partOf(
  part: ContentPart,
  { kind, known, images }: Addressee,
  viewed: Letter['viewed'],
  named: ImageInput[],
): Promise<unknown[]> {
  if (part.type === 'text') {
    // Some servers refuse a part that says nothing.
    if (part.text === '') return kind === 'afterimage' ? [{ type: 'text', text: '' }] : [];
    const reading = kind === 'afterimage' && part.reading ? { reading: true } : {};
    return [{ type: 'text', text: part.text, ...reading }];
  }
  const { image } = part;
  if (image.moment) throw noTimelines(kind);
  const { uuid } = TRAITS[kind];
  const skipped = uuid && known.has(image);
  if (skipped) named.push(image);
  if (skipped && kind === 'afterimage') {
    viewed.push({ width: image.width, height: image.height });
    return [{ type: 'image_url', image_url: { url: uuidOf(image) } }];
  }
  const { url, width, height } = await images.of(image);
  viewed.push({ width, height });
  const name = uuid && kind !== 'afterimage' ? { uuid: uuidOf(image) } : {};
  return [{ type: 'image_url', image_url: skipped ? null : { url }, ...name }];
}

function noTimelines(kind: ServerKind): AfterimageError {
  return new AfterimageError(
    'MODEL_UNSUPPORTED',
    `A ${kind} is given pictures here and no frames in time; leave fps out and give single frames, or ask a model of Afterimage's own.`,
  );
}

function textOf(content: ContentPart[]): string {
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

function samplingOf(kind: ServerKind, options: AskOptions): Record<string, unknown> {
  const { temperature = 0, topP, topK, minP, repetitionPenalty, seed } = options;
  const common = { temperature, top_p: topP, seed };
  const { sampling } = TRAITS[kind];
  const more = sampling && { top_k: topK, min_p: minP, [sampling]: repetitionPenalty };
  return Object.fromEntries(
    Object.entries({ ...common, ...more }).filter(([, value]) => value !== undefined),
  );
}

export const isContinued = ({ continues }: AskOptions): boolean =>
  continues !== undefined && continues.text !== '';

function formOf(kind: ServerKind, { schema }: AskOptions): Record<string, unknown> {
  if (!schema) return {};
  if (!TRAITS[kind].schemas) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `A ${kind} cannot hold its answers to a schema; leave schema out, or ask a model of Afterimage's own.`,
    );
  }
  const wanted = { name: 'answer', strict: true, schema };
  return { response_format: { type: 'json_schema', json_schema: wanted } };
}

/** The answer so far as the last message, where the server goes on from it. */
function beginningOf(kind: ServerKind, options: AskOptions): unknown[] {
  if (!isContinued(options) || kind === 'afterimage') return [];
  if (TRAITS[kind].continuation === 'none') {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `A ${kind} cannot go on with an answer that was cut; ask the question anew, with a larger max_tokens.`,
    );
  }
  return [{ role: 'assistant', content: options.continues!.text }];
}

function continuationOf(kind: ServerKind, options: AskOptions): Record<string, unknown> {
  const byField = kind !== 'afterimage' && TRAITS[kind].continuation === 'field';
  return isContinued(options) && byField
    ? { add_generation_prompt: false, continue_final_message: true }
    : {};
}
