// MCP over Streamable HTTP on loopback: Host and Origin checks, bearer token, then the era of the client decides.
import { createServer as createListener, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  localhostHostValidation,
  localhostOriginValidation,
  toNodeHandler,
} from '@modelcontextprotocol/node';
import { createMcpHandler, isLegacyRequest, type McpServerFactory } from '@modelcontextprotocol/server';
import { AfterimageError } from '../errors.js';
import { createApp, LONGEST_MESSAGE, type AppOptions } from './app.js';
import { LegacyClients } from './legacy-clients.js';
import type { Log } from './log.js';
import { createServer } from './server.js';
import { defaultTokenFile, isAuthorized, readToken } from './token.js';

export interface HttpOptions extends AppOptions {
  /** 0: any free port. */
  port: number;
  tokenFile?: string;
}

export interface Listening {
  url: string;
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const PATH = '/mcp';

/** Serves until SIGINT or SIGTERM. */
export async function runHttp(options: HttpOptions): Promise<void> {
  const tokenFile = options.tokenFile ?? defaultTokenFile();
  const token = await readToken(tokenFile);
  const app = createApp(options);
  const listening = await listen(({ era }) => createServer(app, { era }), {
    port: options.port,
    token,
    log: app.log,
  });
  process.stderr.write(`Afterimage listens on ${listening.url}; the bearer token is in ${tokenFile}\n`);
  if (options.preload) app.preload();
  await new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
  });
  await listening.close();
  await app.close();
}

export interface ListenOptions {
  port: number;
  /** Absent only in tests that have no way to send one. */
  token?: string;
  log: Log;
}

/** @throws AfterimageError IO_FAILED when the port cannot be had. */
export async function listen(
  factory: McpServerFactory,
  { port, token, log }: ListenOptions,
): Promise<Listening> {
  const onerror = (error: Error) => log.warn({ error: error.message }, 'protocol error');
  const legacy = new LegacyClients(factory, onerror);
  const modern = createMcpHandler(factory, {
    legacy: 'reject',
    onerror,
    maxRequestBodySize: LONGEST_MESSAGE,
  });
  const serve = toNodeHandler(
    {
      // A 2025-era client cancels by a second request, which only a sessionful transport can bring to the first.
      fetch: async (request, options) =>
        (await isLegacyRequest(request, undefined, { maxRequestBodySize: LONGEST_MESSAGE }))
          ? legacy.fetch(request)
          : modern.fetch(request, options),
    },
    { onerror, maxRequestBodySize: LONGEST_MESSAGE },
  );
  const admitted = gate(token);
  const listener = createListener((request, response) => {
    if (admitted(request, response)) void serve(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: Error): void => {
      const message = `Cannot listen on port ${port} of ${LOOPBACK}. Choose another with --http PORT.`;
      reject(new AfterimageError('IO_FAILED', message, { cause }));
    };
    listener.once('error', failed);
    listener.listen(port, LOOPBACK, () => {
      listener.off('error', failed);
      resolve();
    });
  });
  listener.on('error', onerror);
  return {
    url: `http://${LOOPBACK}:${(listener.address() as AddressInfo).port}${PATH}`,
    close: async () => {
      await Promise.all([legacy.close(), modern.close()]);
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** Answers what may not pass itself, before any of the body is read. */
function gate(token: string | undefined): (request: IncomingMessage, response: ServerResponse) => boolean {
  const hostAllowed = localhostHostValidation();
  const originAllowed = localhostOriginValidation();
  return (request, response) => {
    if (!hostAllowed(request, response) || !originAllowed(request, response)) return false;
    if (token !== undefined && !isAuthorized(request.headers.authorization, token)) {
      return refuse(response, 401, 'Send the token of the token file as "Authorization: Bearer TOKEN".', {
        'WWW-Authenticate': 'Bearer',
      });
    }
    return request.url?.split('?')[0] === PATH || refuse(response, 404, `The MCP endpoint is ${PATH}.`);
  };
}

function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  headers: Record<string, string> = {},
): false {
  response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close', ...headers });
  response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32000, message } }));
  return false;
}
