// What goes wrong with a server elsewhere, as one of our errors, and whether another try may end better.
import OpenAI, { APIConnectionError, APIError } from 'openai';
import { AfterimageError, isErrorCode, type ErrorCode } from '../../errors.js';

export interface Fault {
  error: AfterimageError;
  /** Another try, here or at another server, may succeed. */
  passing: boolean;
  /** Nothing is to be had from this server for now. */
  down: boolean;
  /** What the server wishes to be waited, in ms. */
  retryAfterMs?: number;
}

/** Of an answer that is not what chat completions are, or that breaks off. */
export class BadAnswer extends Error {}

const LONGEST_QUOTE = 300;
const LONGEST_WAIT_MS = 10_000;

const NO_VISION =
  /not a multimodal|image input is not supported|(does not|doesn't|not) support (images?|vision|multi-?modal)|no (vision|multimodal) (support|projector)|at most 0 image/i;
const TOO_LONG =
  /context (length|size|window)|maximum context|exceed_context|too many tokens|longer than the (maximum )?model|prompt is too long/i;

/** Of a peer, what its engine says about a request is as good as what ours would say. */
const OF_THE_SERVER: ErrorCode[] = ['INTERNAL', 'CLOSED', 'IO_FAILED', 'CANCELLED'];

/** @param name The server as messages call it. @param model As it was asked for. */
export function faultOf(cause: unknown, name: string, model: string): Fault {
  if (cause instanceof AfterimageError) return { error: cause, passing: false, down: false };
  if (cause instanceof APIConnectionError) return unreachable(name, cause);
  if (cause instanceof APIError && cause.status !== undefined) return refusal(cause, name, model);
  return passing(brokenOff(name, cause));
}

export function noVision(model: string, name: string, cause?: unknown): AfterimageError {
  return new AfterimageError(
    'MODEL_UNSUPPORTED',
    `${model || 'The model'} on ${name} does not look at images; name one that does with --engine-model.`,
    { cause },
  );
}

function refusal(cause: APIError, name: string, model: string): Fault {
  const status = cause.status as number;
  const said = quoted(cause);
  const spoken = isErrorCode(cause.code) && !OF_THE_SERVER.includes(cause.code) ? cause.code : undefined;
  if (status === 401 || status === 403) return final(keyRefused(name, cause));
  if (NO_VISION.test(said)) return final(noVision(model, name, cause));
  if (TOO_LONG.test(said)) return final(contextFull(name, said, cause));
  if (status === 429 || status === 503) return { ...passing(overloaded(name, cause)), ...waitOf(cause) };
  if (status >= 500 && !spoken) return passing(failed(name, said, cause));
  if (status === 404 && !spoken) return final(modelMissing(model, name, said, cause));
  const code = spoken ?? 'INVALID_ARGUMENT';
  return final(new AfterimageError(code, `${name} refused the request: ${said}`, { cause }));
}

const final = (error: AfterimageError): Fault => ({ error, passing: false, down: false });
const passing = (error: AfterimageError): Fault => ({ error, passing: true, down: false });

export function unreachable(name: string, cause?: unknown): Fault {
  const error = new AfterimageError(
    'ENGINE_UNREACHABLE',
    `${name} does not answer; start it, or give another with --engine URL.`,
    { cause },
  );
  return { error, passing: true, down: true };
}

function brokenOff(name: string, cause: unknown): AfterimageError {
  const how = cause instanceof BadAnswer ? ` (${cause.message})` : '';
  return new AfterimageError('ENGINE_FAILED', `${name} broke its answer off${how}; ask again.`, { cause });
}

function failed(name: string, said: string, cause: unknown): AfterimageError {
  return new AfterimageError('ENGINE_FAILED', `${name} failed (${said}); look at its log, then ask again.`, {
    cause,
  });
}

function overloaded(name: string, cause: unknown): AfterimageError {
  return new AfterimageError('ENGINE_BUSY', `${name} has too much to do; try again in a while.`, { cause });
}

function keyRefused(name: string, cause: unknown): AfterimageError {
  return new AfterimageError(
    'ENGINE_REFUSED',
    `${name} refused the key; set AFTERIMAGE_ENGINE_KEY, or name a file with --engine-key-file.`,
    { cause },
  );
}

function contextFull(name: string, said: string, cause: unknown): AfterimageError {
  return new AfterimageError(
    'CONTEXT_FULL',
    `The prompt is longer than ${name} takes (${said}); ask about fewer images at once or use --max-pixels.`,
    { cause },
  );
}

function modelMissing(model: string, name: string, said: string, cause: unknown): AfterimageError {
  return new AfterimageError(
    'MODEL_NOT_FOUND',
    `${name} has no model "${model}" (${said}); name one that it lists with --engine-model.`,
    { cause },
  );
}

function waitOf({ headers }: APIError): { retryAfterMs?: number } {
  const seconds = Number(headers?.get('retry-after') ?? NaN);
  return seconds >= 0 ? { retryAfterMs: Math.min(seconds * 1000, LONGEST_WAIT_MS) } : {};
}

/** The server's own words, on one line and not too many. */
function quoted(error: InstanceType<typeof OpenAI.APIError>): string {
  const inner = (error.error as { message?: unknown } | undefined)?.message;
  const text = typeof inner === 'string' ? inner : error.message;
  return text.replace(/\s+/g, ' ').slice(0, LONGEST_QUOTE);
}
