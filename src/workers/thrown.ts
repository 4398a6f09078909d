// Errors between threads: a structured clone keeps neither class nor code.
import { AfterimageError, type ErrorCode } from '../errors.js';

export interface Thrown {
  name: string;
  message: string;
  stack?: string;
  code?: ErrorCode;
}

export function toThrown(error: unknown): Thrown {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, stack } = error;
  return { name, message, stack, ...(error instanceof AfterimageError && { code: error.code }) };
}

export function fromThrown({ name, message, stack, code }: Thrown): Error {
  if (code) return new AfterimageError(code, message);
  const error = new ({ TypeError, RangeError, SyntaxError }[name] ?? Error)(message);
  if (stack) error.stack = stack;
  return error;
}
