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
import { gate } from './gate.js';
import { HeldBytes } from './held-bytes.js';
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
      fetch: async (request, options) => {
        const isLegacy = await isLegacyRequest(request, undefined, limits);
        // Either reads and checks the message a second time.
        await setImmediate();
        return isLegacy ? legacy.fetch(request) : modern.fetch(request, options);
      },
    },
    { onerror, ...limits },
  );
  return {
    serve: async (request: IncomingMessage, response: ServerResponse) => {
      try {
        const isMessage = request.method === 'POST';
        await handler(isMessage ? await liftedRequest(request) : request, response);
      } catch (error) {
        if (!(error instanceof AfterimageError)) onerror(error as Error);
        if (!response.headersSent) refuseFor(error, response);
      }
    },
    close: () => Promise.all([legacy.close(), modern.close()]),
  };
}

const TOO_LONG = `A message may have at most ${LONGEST_MESSAGE} bytes, and ${LONGEST_REST} without its pictures. Pass the path of an image instead of its data.`;

/** Of all messages that are being read. */
const receiving = new HeldBytes(LONGEST_MESSAGE);

/**
 * The request with the long strings of its body lifted out, which is read here, as far as it may go.
 * @throws AfterimageError IMAGE_TOO_LARGE, ENGINE_BUSY
 */
async function liftedRequest(request: IncomingMessage): Promise<IncomingMessage> {
  const { method, url, headers } = request;
  const parts = await receiving.read(request, lifted);
  // What the SDK does with a request it does in one go: the turn that took the last bytes has done enough.
  await setImmediate();
  const bodyHeaders = { ...headers, 'content-length': undefined, 'transfer-encoding': undefined };
  const whole = { method, url, headers: bodyHeaders, [Symbol.asyncIterator]: () => parts.values() };
  // The SDK takes any object that is a request in these respects.
  return whole as unknown as IncomingMessage;
}

async function lifted(body: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const message = new LiftedMessage();
  const parts: Buffer[] = [];
  let rest = 0;
  for await (const chunk of body) {
    const left = message.lift(chunk);
    rest += left.reduce((sum, { length }) => sum + length, 0);
    if (rest > LONGEST_REST) throw new AfterimageError('IMAGE_TOO_LARGE', TOO_LONG);
    parts.push(...left);
  }
  return [...parts, ...message.end()];
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

function refuseFor(error: unknown, response: ServerResponse): void {
  const code = error instanceof AfterimageError ? error.code : undefined;
  if (code === 'IMAGE_TOO_LARGE') refuse(response, 413, TOO_LONG);
  else if (code === 'ENGINE_BUSY')
    refuse(response, 503, 'Too much is being sent at once; try again.', { 'Retry-After': '1' });
  else refuse(response, 400, 'The request cannot be read.');
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
