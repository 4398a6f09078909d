// The form of everything that is said over the wire. Neither side trusts the other, so both check what they hear.
import * as z from 'zod';
import { ERROR_CODES } from '../../errors.js';
import { displayName } from '../../image/display-name.js';
import { BOX_SCALES } from '../../image/region.js';
import {
  FRAMES_A_MOMENT,
  LEAST_RATE,
  MOST_FRAMES,
  MOST_RATE,
  type ImageInput,
} from '../../image/rgb-image.js';
import {
  MOST_EXPECTED,
  type Answer,
  type AskOptions,
  type EngineStatus,
  type KeptTree,
  type ModelInfo,
  type Progress,
} from '../engine.js';

/** Width × height of the largest image an engine takes over a wire. */
const MOST_PIXELS = 2 ** 28;
/** In one conversation. */
const MOST_IMAGES = 256;
const LONGEST_NAME = 256;
const LONGEST_PICTURE_NAME = 512;

const MOST_CHOICES = 32;

export const count = z.int().nonnegative();
const name = z.string().max(LONGEST_NAME);
const side = z.int().positive().max(MOST_PIXELS);

/** What is said of an image: its pixels are asked for. */
export function wireImageOf({ pixelHash, width, height, maxPixels, name, moment }: ImageInput): WireImage {
  return {
    pixelHash,
    width,
    height,
    maxPixels,
    ...(name !== undefined && { name: displayName(name) }),
    ...(moment && { moment }),
  };
}

const LONGEST_TIMELINE = MOST_FRAMES / LEAST_RATE;

const moment = z
  .object({
    index: count,
    frames: z.int().min(2).max(MOST_FRAMES),
    seconds: z.number().nonnegative().max(LONGEST_TIMELINE),
    rate: z.number().min(LEAST_RATE).max(MOST_RATE),
  })
  .refine(({ index, frames }) => index * FRAMES_A_MOMENT < frames, 'a moment lies within its timeline');

/** An image is its identity; what it is called is for listings. */
const wireImage = z
  .object({
    pixelHash: z.string().regex(/^[0-9a-f]{64}$/),
    width: side,
    height: side,
    maxPixels: z.int().positive().optional(),
    name: z.string().max(LONGEST_PICTURE_NAME).optional(),
    moment: moment.optional(),
  })
  .refine(
    ({ height, moment }) => !moment || height % FRAMES_A_MOMENT === 0,
    'a moment is two frames of one height',
  )
  .refine(({ width, height }) => width * height <= MOST_PIXELS, `an image has at most ${MOST_PIXELS} pixels`);

const wireImages = z.array(wireImage).max(MOST_IMAGES);

const part = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string(), reading: z.literal(true).optional() }),
  /** The image's place in the call's list. */
  z.object({ type: z.literal('image'), image: count }),
]);

const wireMessage = z.object({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.array(part),
});

/** Chosen by the client; names the call in what is said about it while it runs. */
const call = z.object({ call: count });

const tokenIds = z.array(count);

/** Their ranges are the engine's to check. */
export const askOptions = z.strictObject({
  temperature: z.number().optional(),
  topK: z.number().optional(),
  topP: z.number().optional(),
  minP: z.number().optional(),
  repetitionPenalty: z.number().optional(),
  seed: z.number().optional(),
  thinkingTokens: z.number().optional(),
  maxTokens: z.number().optional(),
  certainty: z.boolean().optional(),
  choices: z.array(z.string().min(1).max(LONGEST_NAME)).min(1).max(MOST_CHOICES).readonly().optional(),
  schema: z.record(z.string(), z.unknown()).readonly().optional(),
  expected: z.string().max(MOST_EXPECTED).optional(),
  repeats: tokenIds.max(MOST_EXPECTED).readonly().optional(),
  stop: z.array(z.string().max(1024)).max(64).optional(),
  continues: z.object({ text: z.string(), tokenIds }).optional(),
}) satisfies z.ZodType<WireOptions>;

type WireOptions = Omit<AskOptions, 'signal' | 'onText' | 'onThought' | 'onProgress'>;

export const hello = z.object({ version: name });
export const readyCall = call;
/** A call about pictures alone. */
export const imagesCall = call.extend({ images: wireImages });
export const askCall = call
  .extend({
    session: name,
    /** A session that is not known yet begins as a fork of this one, where that is known. */
    parent: name.optional(),
    images: wireImages,
    messages: z.array(wireMessage),
    options: askOptions,
  })
  .refine(
    ({ images, messages }) =>
      messages.every(({ content }) => content.every((p) => p.type === 'text' || p.image < images.length)),
    'a message names an image that the call does not list',
  );
export const sessionName = z.object({ session: name });

/** `from`: first byte of the RGB data. */
export const pixelPiece = call.extend({ image: count, from: count });
/** Base64, padded. */
export const pixelBytes = z.string();

const stage = z.enum(['build', 'queue', 'load', 'encode', 'prefill', 'decode']);
export const progress = z.object({
  stage,
  done: z.number(),
  total: z.number().optional(),
}) satisfies z.ZodType<Progress>;

export const saidText = call.extend({ text: z.string() });
export const saidProgress = call.extend({ progress });

export const modelInfo = z.looseObject({
  name: z.string(),
  identity: z.string().max(64).optional(),
  modelType: z.string().optional(),
  parameters: z.number().optional(),
  precision: z.enum(['exact', 'fast', 'faster']).optional(),
  backend: z.string(),
  contextLength: count.optional(),
  bundled: z.boolean(),
  readsAlong: z.boolean(),
  usualPixels: z.number().optional(),
  boxes: z.object({ scale: z.enum(BOX_SCALES), lines: z.boolean() }).nullable(),
  endsForGood: z.boolean().optional(),
}) satisfies z.ZodType<ModelInfo>;

export const engineStatus = z.object({
  model: modelInfo.nullable(),
  state: z.enum(['idle', 'loading', 'ready', 'failed', 'closed']),
  sessions: count,
  cache: z.record(z.string(), z.number()),
  budgets: z.record(z.string(), z.number()).optional(),
}) satisfies z.ZodType<EngineStatus>;

export const answer = z.looseObject({
  text: z.string(),
  thinking: z.string().optional(),
  tokenIds,
  tokens: count.optional(),
  stopReason: z.enum(['end', 'stop', 'length', 'loop', 'cancelled']),
  cache: z.looseObject({
    image_tokens: count.optional(),
    image_tokens_reused: count.optional(),
    prompt_tokens: count.optional(),
    prompt_tokens_reused: count.optional(),
    tiles: count.optional(),
    tiles_reused: count.optional(),
    encode_ms: z.number().optional(),
    prefill_ms: z.number().optional(),
    source: z.enum(['none', 'features', 'memory', 'disk', 'remote']),
  }),
  decodeMs: z.number(),
  drafted: count.optional(),
  accepted: count.optional(),
  whole: z.boolean().optional(),
  viewed: z.array(z.object({ width: count, height: count, tokens: count.optional() })),
  certainty: z.array(z.object({ end: count, probability: z.number() })).optional(),
  choices: z.array(z.object({ text: z.string(), logProbability: z.number(), tokens: count })).optional(),
}) satisfies z.ZodType<Answer>;

/** Every answer brings the engine's status along, so that a client has a recent one at hand. */
export const replyOf = <T extends z.ZodType>(result: T) => z.object({ result, status: engineStatus });

export const answerReply = replyOf(answer);
export const readyReply = replyOf(modelInfo);
export const treeReply = replyOf(
  z
    .object({
      branches: z
        .array(
          z.object({
            parent: count.optional(),
            tokens: count,
            bytes: count,
            where: z.enum(['memory', 'both', 'disk']),
            images: z.array(name.or(z.literal(''))),
          }),
        )
        .max(1000),
      more: count,
    })
    .nullable() satisfies z.ZodType<KeptTree | null>,
);
export const warmReply = replyOf(z.null());

/** What was thrown at the other side. */
export const thrown = z.object({ code: z.enum(ERROR_CODES).optional(), name });

export type WireImage = z.infer<typeof wireImage>;
export type WireMessage = z.infer<typeof wireMessage>;
export type PixelPiece = z.infer<typeof pixelPiece>;
