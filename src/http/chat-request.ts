// The body of POST /v1/chat/completions: what is understood, what is refused by name, and what may be left unheard
// because it does not change an answer.
import * as z from 'zod';
import { PEER, peerRequest, type PeerRequest } from '../engine/completions/peer.js';
import type { AskOptions } from '../engine/engine.js';
import { textOf } from '../image/carried.js';
import { compileSchema } from '../schema/compile.js';
import { RefusedField } from './failures.js';

const MOST_TOKENS = 16_384;
const DEFAULT_TOKENS = 1024;
/** Probabilities keep every logit of every token in memory until the end. */
const MOST_TOKENS_WITH_LOGPROBS = 128;
const MOST_STOPS = 16;

const textPart = z.object({
  type: z.enum(['text', 'input_text']),
  text: z.string(),
  reading: z.literal(true).optional(),
});
const imagePart = z.object({
  type: z.literal('image_url'),
  image_url: z.union([z.string().min(1), z.object({ url: z.string().min(1) })]),
});
/** As the API takes documents; one by the id of an upload is nowhere here. */
const filePart = z.object({ type: z.literal('file'), file: z.looseObject({ file_data: z.string().min(1) }) });
/** Frames, or one animation, as a timeline: the API has no part of this kind. */
const videoPart = z.object({
  type: z.literal('video'),
  video: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  fps: z.number().optional(),
});
const message = z.object({
  role: z.string(),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]).nullish(),
});

const number = (least: number, most: number) => z.number().min(least).max(most).nullish();
const tokens = z.int().min(1).max(MOST_TOKENS).nullish();

const responseFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    json_schema: z.looseObject({ schema: z.record(z.string(), z.unknown()) }),
  }),
]);

const body = z.looseObject({
  model: z.string().nullish(),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: tokens,
  max_completion_tokens: tokens,
  temperature: number(0, 2),
  top_p: number(0, 1),
  top_k: z.int().min(-1).nullish(),
  min_p: number(0, 1),
  repetition_penalty: z.number().positive().max(10).nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(MOST_STOPS)]).nullish(),
  logprobs: z.boolean().nullish(),
  response_format: responseFormat.nullish(),
  [PEER]: peerRequest.optional(),
});

export type WantedPart =
  | { type: 'text'; text: string; reading?: true }
  | { type: 'image'; url: string }
  | { type: 'video'; urls: string[]; fps: number | undefined };

export interface WantedMessage {
  role: 'system' | 'user' | 'assistant';
  parts: WantedPart[];
}

export interface ChatRequest {
  model: string | undefined;
  messages: WantedMessage[];
  stream: boolean;
  includeUsage: boolean;
  options: Omit<AskOptions, 'signal' | 'onText' | 'onProgress'>;
  peer: PeerRequest | undefined;
}

/** @throws RefusedField (INVALID_ARGUMENT) that names the field. */
export function readChatRequest(json: unknown): ChatRequest {
  const { success, data, error } = body.safeParse(json);
  if (!success) throw refusedBy(error.issues[0]!);
  for (const [field, allowed] of UNSUPPORTED) {
    const value = data[field];
    if (value !== undefined && value !== null && !allowed(value)) throw unsupported(field);
  }
  const peer = data[PEER];
  const maxTokens = data.max_completion_tokens ?? data.max_tokens ?? DEFAULT_TOKENS;
  if (data.logprobs && maxTokens > MOST_TOKENS_WITH_LOGPROBS) {
    throw new RefusedField(
      'logprobs',
      `logprobs are given for answers of up to ${MOST_TOKENS_WITH_LOGPROBS} tokens; set max_tokens to that or less.`,
    );
  }
  return {
    model: data.model ?? undefined,
    messages: data.messages.map(readMessage),
    stream: data.stream ?? false,
    includeUsage: data.stream_options?.include_usage ?? false,
    options: {
      ...sampling(data),
      maxTokens,
      ...peer?.options,
      ...(data.logprobs && { certainty: true }),
      ...wantedForm(data),
    },
    peer,
  };
}

/** Absent is the engine's default: greedy. */
function sampling(data: z.infer<typeof body>): ChatRequest['options'] {
  const stop = typeof data.stop === 'string' ? [data.stop] : data.stop;
  const given = {
    temperature: data.temperature,
    topP: data.top_p,
    topK: data.top_k === -1 ? 0 : data.top_k,
    minP: data.min_p,
    repetitionPenalty: data.repetition_penalty,
    // Seeds of native code have 32 bits.
    seed: data.seed === null || data.seed === undefined ? undefined : Math.abs(data.seed) % 2 ** 31,
    stop,
  };
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined && value !== null),
  );
}

/** What any object holds by. */
const ANY_OBJECT = { type: 'object' };

function wantedForm({ response_format: format, stop }: z.infer<typeof body>): Pick<AskOptions, 'schema'> {
  if (!format || format.type === 'text') return {};
  if (stop && stop.length > 0) {
    throw new RefusedField(
      'stop',
      'A stop string could end an answer that response_format keeps whole; leave one out.',
    );
  }
  if (format.type === 'json_object') return { schema: ANY_OBJECT };
  const { schema } = format.json_schema;
  compileSchema(schema);
  return { schema };
}

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

/** Fields that would change the answer if they could be honoured, and the values with which they would not. */
const UNSUPPORTED: [field: string, allowed: (value: unknown) => boolean][] = [
  ['tools', isEmpty],
  ['functions', isEmpty],
  ['n', (value) => value === 1],
  ['frequency_penalty', (value) => value === 0],
  ['presence_penalty', (value) => value === 0],
  ['logit_bias', (value) => Object.keys(value as object).length === 0],
  ['top_logprobs', (value) => value === 0],
  ['audio', () => false],
  ['modalities', (value) => Array.isArray(value) && value.every((one) => one === 'text')],
  ['prediction', () => false],
  ['web_search_options', () => false],
];

function unsupported(field: string): RefusedField {
  return new RefusedField(field, `${field} is not supported by this engine; leave it out.`);
}

const ROLES: Record<string, WantedMessage['role']> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
};

function readMessage({ role, content }: z.infer<typeof message>, index: number): WantedMessage {
  const place = `messages[${index}]`;
  const known = Object.hasOwn(ROLES, role) ? ROLES[role]! : undefined;
  if (!known) {
    throw new RefusedField(
      `${place}.role`,
      `Messages of the role "${role.slice(0, 40)}" are not supported; send system, user and assistant.`,
    );
  }
  if (typeof content === 'string') return { role: known, parts: [{ type: 'text', text: textOf(content) }] };
  const parts = (content ?? []).map((part, at) => readPart(part, `${place}.content[${at}]`));
  if (known !== 'user' && parts.some(({ type }) => type !== 'text'))
    throw new RefusedField(place, `Images belong into messages of the user, not into ${place}.`);
  return { role: known, parts };
}

function readPart(part: { type: string }, place: string): WantedPart {
  const asText = textPart.safeParse(part).data;
  if (asText) return { type: 'text', text: textOf(asText.text), ...(asText.reading && { reading: true }) };
  const asImage = imagePart.safeParse(part).data;
  if (asImage) {
    const { image_url: url } = asImage;
    return { type: 'image', url: typeof url === 'string' ? url : url.url };
  }
  const asFile = filePart.safeParse(part).data;
  if (asFile) return { type: 'image', url: asFile.file.file_data };
  const asVideo = videoPart.safeParse(part).data;
  if (asVideo) return { type: 'video', urls: [asVideo.video].flat(), fps: asVideo.fps };
  throw new RefusedField(
    place,
    `${place} of type "${part.type.slice(0, 40)}" is not understood; send {"type": "text", "text": …} or ` +
      '{"type": "image_url", "image_url": {"url": …}}, or frames in time as {"type": "video", "video": [url, …], "fps": 2}.',
  );
}

function refusedBy({ path, message: said }: z.core.$ZodIssue): RefusedField {
  const [first, ...rest] = path.map(String);
  const param = [
    first ?? 'body',
    ...rest.map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`)),
  ].join('');
  return new RefusedField(param, `${param} is not as it should be: ${said.replace(/\.$/, '')}.`);
}
