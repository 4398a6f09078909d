// MCP over Streamable HTTP on loopback: Host and Origin checks, bearer token, then the era of the client decides.
import {
  createServer as createListener,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  createMcpHandler,
  isLegacyRequest,
  type McpRequestContext,
  type McpServer,
  type McpServerFactory,
} from '@modelcontextprotocol/server';
import { AfterimageError } from '../errors.js';
import { stopSignals } from '../exit.js';
import { createApp, LONGEST_MESSAGE, LONGEST_REST, type AppOptions } from './app.js';
import { Breath } from './breath.js';
import { gate } from './gate.js';
import { LegacyClients } from './legacy-clients.js';
import { LiftedMessage } from './lifted.js';
import { unquoted, type Log } from './log.js';
import { createServer } from './server.js';
import { defaultTokenFile, readTokens } from './token.js';

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

/** Serves until a signal asks it to stop. */
export async function runHttp(options: HttpOptions): Promise<void> {
  const tokenFile = options.tokenFile ?? defaultTokenFile();
  const tokens = await readTokens(tokenFile);
  const app = createApp(options);
  const rooms = tokens.map((_, index) => (index === 0 ? app : app.another()));
  const listening = await listen(({ era }, client) => createServer(rooms[client]!, { era }), {
    port: options.port,
    tokens,
    log: app.log,
  });
  process.stderr.write(`Afterimage listens on ${listening.url}; the bearer token is in ${tokenFile}\n`);
  if (options.preload) app.preload();
  await new Promise((resolve) => {
    for (const signal of stopSignals()) process.once(signal, resolve);
  });
  await listening.close();
  await app.close();
}

export interface ListenOptions {
  port: number;
  /** One for each client; absent only in tests that have no way to send one. */
  tokens?: readonly string[];
  log: Log;
}

/** @param client Index of its token. */
type ServerOfClient = (context: McpRequestContext, client: number) => McpServer;

/** @throws AfterimageError IO_FAILED when the port cannot be had. */
export async function listen(
  factory: ServerOfClient,
  { port, tokens, log }: ListenOptions,
): Promise<Listening> {
  const onerror = (error: Error) => log.warn(unquoted(error), 'protocol error');
  const endpoints = (tokens ?? ['']).map((_, client) =>
    endpoint((context) => factory(context, client), onerror),
  );
  const admitted = admission(tokens);
  const listener = createListener((request, response) => {
    const client = admitted(request, response);
    if (client !== undefined) void endpoints[client]!.serve(request, response);
  });
  const address = await onLoopback(listener, port);
  listener.on('error', onerror);
  return {
    url: `${address}${PATH}`,
    close: async () => {
      await Promise.all(endpoints.map((one) => one.close()));
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** @returns the address. @throws AfterimageError IO_FAILED when the port cannot be had. */
export function onLoopback(listener: Server, port: number): Promise<string> {
  return listenOn(listener, { host: LOOPBACK, port }, 'Choose another with --http PORT.');
}

/**
 * @param next What to do when it fails.
 * @returns the address. @throws AfterimageError IO_FAILED when the port cannot be had.
 */
export async function listenOn(
  listener: Server,
  { host, port }: { host: string; port: number },
  next: string,
): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: Error): void =>
      reject(
        new AfterimageError('IO_FAILED', `Cannot listen on port ${port} of ${host}. ${next}`, { cause }),
      );
    listener.once('error', failed);
    listener.listen(port, host, () => {
      listener.off('error', failed);
      resolve();
    });
  });
  const bracketed = host.includes(':') ? `[${host}]` : host;
  return `http://${bracketed}:${(listener.address() as AddressInfo).port}`;
}

/** The server of one client, in both eras of the protocol; no other client reaches its sessions. */
export function endpoint(factory: McpServerFactory, onerror: (error: Error) => void) {
  const legacy = new LegacyClients(factory, onerror);
  const limits = { maxRequestBodySize: LONGEST_REST };
  const modern = createMcpHandler(factory, { legacy: 'reject', onerror, ...limits });
  const handler = toNodeHandler(
    {
      // A 2025-era client cancels by a second request, which only a sessionful transport can bring to the first.
      fetch: async (request, options) =>
        (await isLegacyRequest(request, undefined, limits))
          ? legacy.fetch(request)
          : modern.fetch(request, options),
    },
    { onerror, ...limits },
  );
  return {
    serve: async (request: IncomingMessage, response: ServerResponse) => {
      try {
        const lifted = await liftedRequest(request);
        if (lifted) await handler(lifted, response);
        else refuse(response, 413, TOO_LONG);
      } catch (error) {
        onerror(error as Error);
        if (!response.headersSent) refuse(response, 400, 'The request cannot be read.');
      }
    },
    close: () => Promise.all([legacy.close(), modern.close()]),
  };
}

const TOO_LONG = `A message may have at most ${LONGEST_MESSAGE} bytes, and ${LONGEST_REST} without its pictures. Pass the path of an image instead of its data.`;

/**
 * The request with the long strings of its body lifted out, which is read here, as far as it may go.
 * @returns undefined when it goes further.
 */
async function liftedRequest(request: IncomingMessage): Promise<IncomingMessage | undefined> {
  const { method, url, headers } = request;
  if (method !== 'POST') return request;
  if (Number(headers['content-length']) > LONGEST_MESSAGE) return undefined;
  const message = new LiftedMessage();
  const breath = new Breath();
  const parts: Buffer[] = [];
  let [received, rest] = [0, 0];
  for await (const chunk of request as AsyncIterable<Buffer>) {
    const lifted = message.lift(chunk);
    received += chunk.length;
    rest += lifted.reduce((sum, { length }) => sum + length, 0);
    if (received > LONGEST_MESSAGE || rest > LONGEST_REST) return undefined;
    parts.push(...lifted);
    if (breath.due(chunk.length)) await setImmediate();
  }
  parts.push(...message.end());
  // What the SDK does with a request it does in one go: the turn that took the last bytes has done enough.
  await setImmediate();
  const bodyHeaders = { ...headers, 'content-length': undefined, 'transfer-encoding': undefined };
  const body = { method, url, headers: bodyHeaders, [Symbol.asyncIterator]: () => parts.values() };
  // The SDK takes any object that is a request in these respects.
  return body as unknown as IncomingMessage;
}

const METHODS = ['GET', 'POST', 'DELETE'];

/** @returns the index of the client's token, or undefined when the request has been answered. */
function admission(
  tokens: readonly string[] | undefined,
): (request: IncomingMessage, response: ServerResponse) => number | undefined {
  const pass = gate(tokens);
  return (request, response) => {
    const client = pass(request, response);
    if (typeof client === 'object') return refuse(response, client.status, client.message, client.headers);
    if (client === undefined) return undefined;
    if (request.url?.split('?')[0] !== PATH) return refuse(response, 404, `The MCP endpoint is ${PATH}.`);
    if (METHODS.includes(request.method ?? '')) return client;
    return refuse(response, 405, `Send ${METHODS.join(', ')}.`, { Allow: METHODS.join(', ') });
  };
}

function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  headers: Record<string, string> = {},
): undefined {
  response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close', ...headers });
  response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32000, message } }));
}
