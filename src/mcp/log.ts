// The server's log: JSON lines on stderr, because stdout belongs to the protocol. It never holds pixels, questions or
// answers.
import pino, { type Logger } from 'pino';
import { isErrorCode } from '../errors.js';

export type Log = Logger;

export interface LogOptions {
  level?: 'silent' | 'error' | 'warn' | 'info' | 'debug';
}

const STDERR = 2;

export function createLog({ level = 'warn' }: LogOptions = {}): Log {
  // Synchronous: the last line before a crash is the one that is needed.
  return pino({ name: 'afterimage', level }, pino.destination({ dest: STDERR, sync: true }));
}

/** What may be logged of an error that a request caused: its message may quote a body or a header. */
export function unquoted(error: Error): { error: string; code?: unknown } {
  const { code } = error as { code?: unknown };
  return { error: error.name, ...(typeof code === 'number' || isErrorCode(code) ? { code } : {}) };
}
