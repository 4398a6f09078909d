// The server's log: JSON lines on stderr, because stdout belongs to the protocol. Never pixels; prompts only when asked.
import pino, { type Logger } from 'pino';

export type Log = Logger;

export interface LogOptions {
  level?: 'silent' | 'error' | 'warn' | 'info' | 'debug';
  /** Also log questions and answers. Off unless the user asked for it. */
  prompts?: boolean;
}

const STDERR = 2;

export function createLog(options: LogOptions = {}): Log {
  const redact = options.prompts ? [] : ['question', 'message', 'answer'];
  return pino(
    { name: 'afterimage', level: options.level ?? 'warn', redact },
    // Synchronous: the last line before a crash is the one that is needed.
    pino.destination({ dest: STDERR, sync: true }),
  );
}
