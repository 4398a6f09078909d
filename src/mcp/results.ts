// Tool outcomes in protocol form: the one place where errors become results.
import { randomUUID } from 'node:crypto';
import type { CallToolResult } from '@modelcontextprotocol/server';
import { AfterimageError, type ErrorCode } from '../errors.js';
import type { Ran } from '../ask/run-tool.js';
import type { Log } from './log.js';
import { ERROR_META } from './meta-keys.js';

const LONGEST_MESSAGE = 1200;

/**
 * Clients show their model either `structuredContent` or `content`, so both carry everything: the answer as text, then
 * the other fields as JSON.
 */
export function toCallResult({
  structured,
  references = [],
  inline = [],
}: Omit<Ran, 'cache'>): CallToolResult {
  // As JSON, `structured` is the answer itself.
  const { answer, structured: _, ...rest } = structured;
  return {
    structuredContent: structured,
    content: [
      ...(answer ? [{ type: 'text' as const, text: String(answer) }] : []),
      { type: 'text', text: JSON.stringify(rest) },
      ...references.map((reference) => ({ type: 'resource_link' as const, ...reference })),
      ...inline.map(({ mimeType, data }) => ({
        type: 'image' as const,
        mimeType,
        data: Buffer.from(data).toString('base64'),
      })),
    ],
  };
}

/** No structuredContent: clients check it against the tool's output schema even when a call failed. */
export function toErrorResult(error: unknown, log: Log): CallToolResult {
  const { code, message } = error instanceof AfterimageError ? error : unexpected(error, log);
  return {
    isError: true,
    content: [{ type: 'text', text: `${code}: ${shortened(message)}` }],
    _meta: { [ERROR_META]: { code } },
  };
}

/** Messages quote what was sent, which may be long. Beginning and end stay: what was wrong, and what to do. */
function shortened(message: string): string {
  const half = LONGEST_MESSAGE / 2;
  return message.length <= LONGEST_MESSAGE ? message : `${message.slice(0, half)} … ${message.slice(-half)}`;
}

/** Details of a mistake of ours stay in the log; the client gets a reference to them. */
function unexpected(error: unknown, log: Log): { code: ErrorCode; message: string } {
  const reference = randomUUID();
  log.error({ reference, err: error }, 'unexpected error');
  return {
    code: 'INTERNAL',
    message: `Something failed that should not have. Try again; if it stays, report the log entry ${reference} on stderr.`,
  };
}
