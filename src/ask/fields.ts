// Arguments and result fields that the tools share. Each has one type: some clients drop unions from schemas.
import * as z from 'zod';
import type { Region } from '../image/region.js';
import type { Ending } from './call.js';
import { CONVERSATION_LIMITS } from './conversations.js';
import { isRecord } from './json-text.js';
import type { Reuse } from './looks.js';
import { MOST_TOKENS } from './most-tokens.js';

/** Sessions end after this many idle minutes; named in every description that hands one out. */
export const SESSION_MINUTES = CONVERSATION_LIMITS.ttlMs / 60_000;

/** The longest question; far below every model's context. */
const LONGEST_TEXT = 20_000;

export const source = z.string().min(1);

export const image = source.describe('Absolute path, file://, data: or http(s) URL, image_id, or "latest".');

export const reading = z.boolean().optional().describe('Also give the model the text that was read.');

export const page = z.string().max(40).optional().describe('Of a PDF: "3" or "2-4", at most 5.');

/** Its limits are told in one place, where frames are loaded. */
export const fps = z
  .number()
  .optional()
  .describe('Frames a second, usually 2, of a GIF or WebP as a timeline.');

/** A rectangle in pixels; the order of its fields is that of [x, y, width, height]. */
export const area = z.object({ x: z.int(), y: z.int(), width: z.int(), height: z.int() });

export const region = area.describe('Part to look at, in original pixels: small text gets larger.');

export const question = (text: string) => z.string().max(LONGEST_TEXT).describe(text);

/** Of one question. */
const MOST_CHOICES = 32;
const LONGEST_CHOICE = 200;

export const choices = z
  .array(z.string().min(1).max(LONGEST_CHOICE))
  .min(2)
  .max(MOST_CHOICES)
  .optional()
  .describe('Answer with one of these; gives each its (uncalibrated) probability.');

/** One type, though the text of a schema is read as well. */
export const schema = z
  .unknown()
  .refine((value) => value === undefined || isRecord(value), 'expected a JSON Schema, as an object')
  .optional()
  .meta({ type: 'object', description: 'JSON Schema of the answer.' });

export const maxTokens = () => z.int().min(1).max(MOST_TOKENS).describe('A cut answer can be continued.');

export const sessionId = z.string().trim().describe('From an earlier result.');

export const model = z.string().trim().max(200).optional().describe('An installed one.');

export const verbose = z.boolean().default(false).describe('Also cache, model, sizes.');

export interface SeenImage {
  /** Names the image in later calls, until the server forgets it. */
  image_id: string;
  width: number;
  height: number;
  /** Of a document: which page it is, of how many. */
  page?: number;
  pages?: number;
  /** Of a timeline, of which this is the first frame. */
  frames?: number;
  region?: Region;
  /** Size at which the model saw the image or region; with `verbose`. */
  viewed_width?: number;
  viewed_height?: number;
}

/** What every tool returns. Fields that are not published come with `verbose` only. */
export interface ReplyFields {
  answer: string;
  /** What the model thought before; with `verbose`. */
  thinking?: string;
  session_id?: string;
  /** Images of the session, in the order in which the model saw them. */
  images: SeenImage[];
  cache: Reuse;
  stop_reason: Ending;
  truncated: boolean;
  /** Best first. */
  choices?: Choice[];
  /** The answer as the value that it is, where a schema was given and it is whole. */
  structured?: unknown;
  /** What to do to get the rest. */
  next?: string;
  model: string;
  /** What the caller should know about this answer. */
  note?: string;
}

export interface Choice {
  text: string;
  /** That the model answers exactly this, among the choices. Not calibrated. */
  probability: number;
  /** The same by the mean over its tokens, which does not favour short choices. */
  length_normalized: number;
  /** Natural logarithm, among all answers that the model could give. */
  log_probability: number;
}

/** Published result fields of every tool. Each agent reads them with the list of tools, so they say little. */
export const replyFields = {
  answer: z.string(),
  session_id: z.string().optional(),
  images: z.array(z.looseObject({ image_id: z.string() })),
  truncated: z.boolean().optional(),
  next: z.string().optional(),
  note: z.string().optional(),
};

export const textLine = z.looseObject({ text: z.string() });
