// Who may come in over HTTP, decided before any of a body is read: this machine's programs that know a token.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { localhostHostValidation, localhostOriginValidation } from '@modelcontextprotocol/node';
import { isAuthorized } from './token.js';

export interface Refusal {
  status: number;
  message: string;
  headers: Record<string, string>;
}

/**
 * @param tokens One for each client; absent: whoever reaches this machine's loopback.
 * @returns a function that gives the index of the client's token, or how to refuse; undefined when a foreign Host or
 *   Origin has been answered already.
 */
export function gate(
  tokens: readonly string[] | undefined,
): (request: IncomingMessage, response: ServerResponse) => number | Refusal | undefined {
  const local = localOnly();
  return (request, response) => {
    const refused = local(request, response);
    if (refused !== true) return refused;
    const client = tokens?.findIndex((token) => isAuthorized(request.headers.authorization, token)) ?? 0;
    if (client >= 0) return client;
    const message = 'Send the token of the token file as "Authorization: Bearer TOKEN".';
    return { status: 401, message, headers: { 'WWW-Authenticate': 'Bearer' } };
  };
}

/** Whether Host and Origin are this machine; undefined when the request has been answered. */
export function localOnly(): (
  request: IncomingMessage,
  response: ServerResponse,
) => true | Refusal | undefined {
  const hostAllowed = localhostHostValidation();
  const originAllowed = localhostOriginValidation();
  return (request, response) => {
    try {
      return hostAllowed(request, response) && originAllowed(request, response) ? true : undefined;
    } catch {
      return { status: 400, message: 'The Host or Origin header is no address.', headers: {} };
    }
  };
}
