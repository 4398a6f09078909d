// Eyes for agents whose model has none: requests in three dialects pass through to the provider, words in place of their
// pictures; everything else passes as it is, both ways.
import { createServer as createListener, type IncomingMessage, type ServerResponse } from 'node:http';
import { AfterimageError } from '../../errors.js';
import { LONGEST_MESSAGE, type App } from '../../mcp/app.js';
import { localOnly } from '../../mcp/gate.js';
import { listenOn, type Listening } from '../../mcp/http.js';
import { unquoted } from '../../mcp/log.js';
import { isAuthorized } from '../../mcp/token.js';
import { Bodies } from '../body.js';
import { failureOf, type Failure } from '../failures.js';
import { sendJson } from '../respond.js';
import { Describer, type Keeping } from './described.js';
import { rewritten } from './rewritten.js';
import { handBack, TOKEN_HEADER, Upstream } from './upstream.js';

export interface ProxyOptions {
  /** Address of the provider. */
  upstream: string;
  /** 0: any free port. */
  port: number;
  /** Absent: this machine's loopback, for whoever reaches it. */
  elsewhere?: { host: string; tokens: readonly string[] };
  /** Where words and pictures are kept. */
  keeping?: Keeping;
  /** Of one body; default 160 MB. */
  mostBytes?: number;
}

/** Paths whose bodies hold conversations: chat completions, Responses, Anthropic's Messages. */
const CONVERSATIONS =
  /\/(chat\/completions|responses(\/(input_tokens|compact))?|messages(\/(count_tokens|batches))?)\/?$/i;
const ANTHROPIC = /\/messages(\/|$)/i;

/** @throws AfterimageError INVALID_ARGUMENT for what is no address, IO_FAILED when the port cannot be had */
export async function openProxy(app: App, options: ProxyOptions): Promise<Listening> {
  const proxy = new Proxy(app, options);
  const listener = createListener((request, response) => void proxy.serve(request, response));
  const { port, elsewhere } = options;
  const host = elsewhere?.host ?? '127.0.0.1';
  const url = await listenOn(listener, { host, port }, 'Choose another with --port N.');
  listener.on('error', (error) => app.log.warn(unquoted(error), 'protocol error'));
  return {
    url,
    close: async () => {
      listener.closeAllConnections();
      await proxy.close();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

interface Passing {
  request: IncomingMessage;
  response: ServerResponse;
  /** Of a conversation whose pictures were exchanged. */
  images?: number;
}

class Proxy {
  readonly #app: App;
  readonly #upstream: Upstream;
  readonly #rewriting: { describer: Describer; mostBytes: number };
  readonly #bodies: Bodies;
  readonly #tokens: readonly string[] | undefined;
  readonly #local = localOnly();

  constructor(app: App, { upstream, elsewhere, keeping, mostBytes = LONGEST_MESSAGE }: ProxyOptions) {
    this.#app = app;
    this.#upstream = new Upstream(upstream);
    this.#rewriting = { describer: new Describer(app, keeping), mostBytes };
    this.#bodies = new Bodies(mostBytes);
    this.#tokens = elsewhere?.tokens;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const begun = performance.now();
    const passing: Passing = { request, response };
    const gone = new AbortController();
    const leave = (): void => {
      if (!response.writableFinished) gone.abort();
    };
    response.once('close', leave);
    try {
      if (this.#admitted(request, response)) await this.#pass(passing, gone.signal);
    } catch (error) {
      if (!gone.signal.aborted) this.#fail(error, passing);
    } finally {
      response.off('close', leave);
    }
    const ms = Math.round(performance.now() - begun);
    const { statusCode: status } = response;
    this.#app.log.info(
      { conversation: isConversation(request), images: passing.images, status, ms },
      'passed',
    );
  }

  close(): Promise<void> {
    return this.#upstream.close();
  }

  /** False when the request has been answered. @throws AfterimageError ENGINE_REFUSED */
  #admitted(request: IncomingMessage, response: ServerResponse): boolean {
    if (!request.url?.startsWith('/'))
      throw new AfterimageError('INVALID_ARGUMENT', 'Send the path only, such as /v1/chat/completions.');
    if (!this.#tokens) {
      const local = this.#local(request, response);
      if (typeof local === 'object') throw new AfterimageError('INVALID_ARGUMENT', local.message);
      return local === true;
    }
    const given = `Bearer ${String(request.headers[TOKEN_HEADER] ?? '')}`;
    if (this.#tokens.some((token) => isAuthorized(given, token))) return true;
    throw new NoToken();
  }

  async #pass(passing: Passing, signal: AbortSignal): Promise<void> {
    const { request, response } = passing;
    const answer = isConversation(request)
      ? await this.#bodies.bytes(request, async (came) => {
          const { images, ...body } = await rewritten(request, came, { ...this.#rewriting, signal });
          passing.images = images;
          return this.#upstream.ask(request, body, signal);
        })
      : await this.#upstream.ask(request, undefined, signal);
    await handBack(answer, response);
  }

  #fail(error: unknown, { request, response }: Passing): void {
    // What has begun cannot be taken back: the connection ends, so that nobody takes it for the whole.
    if (response.headersSent) return void response.destroy();
    const { status, body } =
      error instanceof NoToken ? { status: 401, body: noToken(error) } : failureOf(error, this.#app.log);
    // What is left of a body is not read.
    sendJson(response, status, inDialect(request, body), { Connection: 'close' });
  }
}

class NoToken extends Error {
  constructor() {
    super(
      `Send the token of the token file as "${TOKEN_HEADER}: TOKEN"; your provider's key goes where it always goes.`,
    );
  }
}

function noToken({ message }: Error): Failure['body'] {
  return { error: { message, type: 'invalid_request_error', param: null, code: 'invalid_api_key' } };
}

/** Errors of ours as clients of the dialect read them. */
function inDialect({ url = '' }: IncomingMessage, body: Failure['body']): object {
  if (!ANTHROPIC.test(pathOf(url))) return body;
  const { message, type, code } = body.error;
  const known = type === 'server_error' ? 'api_error' : type;
  return { type: 'error', error: { type: known, message: `${message} [${code}]` } };
}

function isConversation({ method, url = '' }: IncomingMessage): boolean {
  return method === 'POST' && CONVERSATIONS.test(pathOf(url));
}

function pathOf(url: string): string {
  const path = url.split('?')[0]!;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
