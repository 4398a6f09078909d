// The one error class of the TypeScript side. Misuse throws TypeError/RangeError; everything else is this.

/** Codes of the native core: the same list as in native/graph/error.h. */
export const NATIVE_ERROR_CODES = [
  'INVALID_CHECKPOINT',
  'INVALID_PROGRAM',
  'INVALID_ARGUMENT',
  'CONTEXT_FULL',
  'OUT_OF_MEMORY',
  'CANCELLED',
  'CLOSED',
  'BACKEND_FAILED',
  'BACKEND_LOST',
  'IO_FAILED',
  'MODEL_CHANGED',
] as const;

/** Stable codes: programs may depend on them. */
export const ERROR_CODES = [
  ...NATIVE_ERROR_CODES,
  'MODEL_NOT_FOUND',
  'MODEL_UNSUPPORTED',
  'IMAGE_NOT_FOUND',
  'IMAGE_UNREADABLE',
  'IMAGE_UNSUPPORTED',
  'IMAGE_TOO_LARGE',
  'TOO_MANY_IMAGES',
  'DOCUMENT_LOCKED',
  'DOCUMENT_UNREADABLE',
  'DOCUMENT_UNSUPPORTED',
  'DOCUMENT_TOO_COMPLEX',
  'PAGE_NOT_FOUND',
  'INVALID_REGION',
  'PATH_NOT_ALLOWED',
  'URL_NOT_ALLOWED',
  'CLIPBOARD_NOT_ALLOWED',
  'CLIPBOARD_FAILED',
  'URL_FAILED',
  'UNKNOWN_IMAGE',
  'SESSION_NOT_FOUND',
  'SESSION_EXPIRED',
  'SESSION_BUSY',
  'SCHEMA_UNSUPPORTED',
  'INTERNAL',
  'ENGINE_UNREACHABLE',
  'ENGINE_BUSY',
  'ENGINE_FAILED',
  'ENGINE_REFUSED',
  'ENGINE_INCOMPATIBLE',
  'NATIVE_MISSING',
  'NATIVE_BUILDING',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export function isErrorCode(code: unknown): code is ErrorCode {
  return ERROR_CODES.includes(code as ErrorCode);
}

export class AfterimageError extends Error {
  readonly code: ErrorCode;

  /** @param message One sentence that says what happened and what to do next. */
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'AfterimageError';
    this.code = code;
  }
}
