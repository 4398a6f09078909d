// Errors in the form that OpenAI's clients know, with our stable codes: the one place where errors become responses.
import { randomUUID } from 'node:crypto';
import { AfterimageError, type ErrorCode } from '../errors.js';
import type { Log } from '../mcp/log.js';

export interface Failure {
  status: number;
  headers: Record<string, string>;
  body: { error: { message: string; type: string; param: string | null; code: string } };
}

/** What is wrong with the request is 400 unless it stands here. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  PATH_NOT_ALLOWED: 403,
  URL_NOT_ALLOWED: 403,
  CLIPBOARD_NOT_ALLOWED: 403,
  MODEL_NOT_FOUND: 404,
  IMAGE_NOT_FOUND: 404,
  UNKNOWN_IMAGE: 404,
  IMAGE_TOO_LARGE: 413,
  ENGINE_BUSY: 429,
  CANCELLED: 499,
  INTERNAL: 500,
  IO_FAILED: 500,
  BACKEND_FAILED: 500,
  BACKEND_LOST: 500,
  INVALID_PROGRAM: 500,
  INVALID_CHECKPOINT: 500,
  MODEL_UNSUPPORTED: 500,
  MODEL_CHANGED: 500,
  NATIVE_MISSING: 500,
  ENGINE_FAILED: 502,
  ENGINE_REFUSED: 502,
  ENGINE_UNREACHABLE: 502,
  ENGINE_INCOMPATIBLE: 502,
  CLOSED: 503,
  OUT_OF_MEMORY: 507,
};

/** Worth another try: clients try again at 429 and from 500 on unless they are told not to. */
const PASSING: ErrorCode[] = ['ENGINE_BUSY', 'ENGINE_FAILED', 'ENGINE_UNREACHABLE'];

const LONGEST_MESSAGE = 1200;

/** A field of the request that this server does not know how to honour, or that says nonsense. */
export class RefusedField extends AfterimageError {
  readonly param: string;

  constructor(param: string, message: string) {
    super('INVALID_ARGUMENT', message);
    this.param = param;
  }
}

export function failureOf(error: unknown, log: Log): Failure {
  const known = error instanceof AfterimageError ? error : unexpected(error, log);
  const { code } = known;
  const status = STATUS[code] ?? 400;
  const passing = PASSING.includes(code);
  return {
    status,
    headers: {
      'x-should-retry': String(passing),
      ...(code === 'ENGINE_BUSY' && { 'Retry-After': '1' }),
    },
    body: errorBody(
      shortened(known.message),
      status >= 500 ? 'server_error' : 'invalid_request_error',
      code,
      known instanceof RefusedField ? known.param : null,
    ),
  };
}

export function errorBody(
  message: string,
  type: string,
  code: string,
  param: string | null = null,
): Failure['body'] {
  return { error: { message, type, param, code } };
}

/** Messages quote what was sent, which may be long. */
function shortened(message: string): string {
  const half = LONGEST_MESSAGE / 2;
  return message.length <= LONGEST_MESSAGE ? message : `${message.slice(0, half)} … ${message.slice(-half)}`;
}

/** Details of a mistake of ours stay in the log. */
function unexpected(error: unknown, log: Log): AfterimageError {
  const reference = randomUUID();
  log.error({ reference, err: error }, 'unexpected error');
  return new AfterimageError(
    'INTERNAL',
    `Something failed that should not have. Try again; if it stays, report the log entry ${reference} on stderr.`,
    { cause: error },
  );
}
