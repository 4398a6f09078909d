// The door for programs that speak OpenAI's API: /v1/chat/completions and what clients ask for around it, MCP at /mcp, and
// a page for people at the root, over HTTP on loopback with a bearer token.
import { createServer as createListener, type IncomingMessage, type ServerResponse } from 'node:http';
import { AfterimageError } from '../errors.js';
import { LOAD_PATH, STOP_PATH, loadRequest } from '../engine/completions/peer.js';
import type { Models } from '../engine/models.js';
import type { App } from '../mcp/app.js';
import { gate, localOnly, type Refusal } from '../mcp/gate.js';
import { endpoint, onLoopback, type Listening } from '../mcp/http.js';
import { unquoted } from '../mcp/log.js';
import { createServer } from '../mcp/server.js';
import { Bodies } from './body.js';
import { BrokenOff, Completions } from './completions.js';
import { errorBody, failureOf } from './failures.js';
import { Metrics } from './metrics.js';
import { modelCard, modelList } from './model-list.js';
import { Page } from './page/page.js';
import { sendJson } from './respond.js';

export interface DoorOptions {
  /** 0: any free port. */
  port: number;
  /** One for each client; absent only in tests. */
  tokens?: readonly string[];
  models: Models;
  /** Images of one request; default 5. */
  mostImages?: number;
  /** Bytes of one image, decoded from base64; default 10 MB. */
  imageBytes?: number;
  /** Whether the page may download models. */
  downloads?: boolean;
}

export interface OpenedDoor extends Listening {
  /** The page's address, signed in once for the first client. */
  link(): string;
}

export const DOOR_IMAGES = 5;
export const DOOR_IMAGE_BYTES = 10 * 2 ** 20;

/** What stands around the images of a request: a long conversation, as JSON. */
const TEXT_BYTES = 8 * 2 ** 20;
/** A request that asks for nothing but a name. */
const SMALL_BODY = 4096;
const BASE = '/v1';

type Handler = (request: IncomingMessage, response: ServerResponse, app: App) => Promise<void> | void;

/** @throws AfterimageError IO_FAILED when the port cannot be had. */
export async function openDoor(app: App, options: DoorOptions): Promise<OpenedDoor> {
  const door = new Door(app, options);
  const listener = createListener((request, response) => void door.serve(request, response));
  const url = await onLoopback(listener, options.port);
  listener.on('error', (error) => app.log.warn(unquoted(error), 'protocol error'));
  return {
    url,
    link: () => door.link(url),
    close: async () => {
      await door.close();
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

class Door {
  readonly #app: App;
  readonly #models: Models;
  readonly #rooms: App[];
  readonly #mcp: ReturnType<typeof endpoint>[];
  readonly #metrics: Metrics;
  readonly #page: Page;
  readonly #routes: Record<string, Handler>;
  readonly #smallBodies = new Bodies(SMALL_BODY, 256 * SMALL_BODY);
  readonly #local = localOnly();
  readonly #admitted: ReturnType<typeof gate>;
  readonly #created = Math.floor(Date.now() / 1000);

  constructor(app: App, options: DoorOptions) {
    const { tokens, models, mostImages = DOOR_IMAGES, imageBytes = DOOR_IMAGE_BYTES } = options;
    this.#app = app;
    this.#models = models;
    this.#admitted = gate(tokens);
    this.#rooms = (tokens ?? ['']).map((_, client) => (client === 0 ? app : app.another()));
    const onerror = (error: Error) => app.log.warn(unquoted(error), 'protocol error');
    this.#mcp = this.#rooms.map((room) => endpoint(({ era }) => createServer(room, { era }), onerror));
    this.#metrics = new Metrics(models, () => app.engine.status().cache);
    this.#page = new Page({
      ...{ models, rooms: this.#rooms, imageBytes: app.images.limits.maxBytes },
      admitted: (...call) => this.#admitted(...call),
      downloads: options.downloads ?? false,
    });
    const bodyBytes = Math.ceil((mostImages * imageBytes * 4) / 3) + TEXT_BYTES;
    const completions = new Completions(models, this.#metrics, { mostImages, imageBytes, bodyBytes });
    this.#routes = {
      [`POST ${BASE}/chat/completions`]: (...call) => completions.answer(...call),
      [`POST ${BASE}${STOP_PATH}`]: (...call) => completions.stop(...call),
      [`GET ${BASE}/models`]: (_, response) =>
        sendJson(response, 200, modelList(models.list(), this.#created)),
      [`POST ${BASE}${LOAD_PATH}`]: (request, response) => this.#load(request, response),
      'GET /metrics': (_, response) => this.#tellMetrics(response),
    };
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?')[0] ?? '/';
    const begun = performance.now();
    let route = 'other';
    try {
      route = await this.#answer(path, request, response);
    } catch (error) {
      route = this.#nameOf(path);
      this.#fail(error, response);
    }
    const { statusCode: status } = response;
    this.#metrics.request(route, status);
    this.#app.log.info({ route, status, ms: Math.round(performance.now() - begun) }, 'request');
  }

  link(url: string): string {
    return this.#page.link(url);
  }

  async close(): Promise<void> {
    this.#page.close();
    await Promise.all(this.#mcp.map((one) => one.close()));
    this.#metrics.close();
  }

  /** @returns the route's name. */
  async #answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<string> {
    // Whoever watches over the server knows no token, and learns nothing but whether it can answer.
    if (path === '/health') return this.#health(request, response);
    if (this.#page.has(path)) return this.#toPage(request, response);
    const client = this.#admitted(request, response);
    if (client === undefined) return 'refused';
    if (typeof client === 'object') return refuse(response, client);
    const room = this.#rooms[client]!;
    if (path === '/mcp') {
      await this.#mcp[client]!.serve(request, response);
      return '/mcp';
    }
    const handler = this.#routes[`${request.method} ${path}`];
    if (handler) await handler(request, response, room);
    else if (request.method === 'GET' && path.startsWith(`${BASE}/models/`)) this.#oneModel(path, response);
    else this.#unknown(path, request, response);
    return this.#nameOf(path);
  }

  async #toPage(request: IncomingMessage, response: ServerResponse): Promise<string> {
    const refused = await this.#page.serve(request, response);
    return refused ? refuse(response, refused) : '/page';
  }

  /** Names of models are no names of routes. */
  #nameOf(path: string): string {
    if (this.#page.has(path)) return '/page';
    const known = Object.keys(this.#routes).some((route) => route.endsWith(` ${path}`));
    return known || path === '/mcp' || path === '/health' ? path : 'other';
  }

  #health(request: IncomingMessage, response: ServerResponse): string {
    const local = this.#local(request, response);
    if (typeof local === 'object') refuse(response, local);
    if (local !== true) return '/health';
    const states = this.#models.list().map(({ state }) => state);
    const ready = states.some((state) => state === 'ready' || state === 'absent');
    const status = ready ? 'ok' : states.includes('loading') ? 'loading' : 'failed';
    sendJson(response, ready ? 200 : 503, { status });
    return '/health';
  }

  async #tellMetrics(response: ServerResponse): Promise<void> {
    const { type, text } = await this.#metrics.text();
    response.writeHead(200, { 'Content-Type': type });
    response.end(text);
  }

  #oneModel(path: string, response: ServerResponse): void {
    const name = named(path.slice(`${BASE}/models/`.length));
    const model = this.#models.list().find((one) => one.name === name);
    if (model) return sendJson(response, 200, modelCard(model, this.#created));
    throw new AfterimageError(
      'MODEL_NOT_FOUND',
      `There is no model "${name.slice(0, 200)}" here; GET ${BASE}/models lists those that there are.`,
    );
  }

  /** Answers when the model can. */
  async #load(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { data } = await this.#smallBodies.read(request, async (json) => loadRequest.safeParse(json));
    const engine = await this.#models.engine(data?.model);
    const info = await engine.ready();
    sendJson(response, 200, modelCard({ name: info.name, state: 'ready', info }, this.#created));
  }

  #unknown(path: string, request: IncomingMessage, response: ServerResponse): void {
    const other = Object.keys(this.#routes).find((route) => route.endsWith(` ${path}`));
    const message = other
      ? `Send ${other.split(' ')[0]} to ${path}.`
      : `There is nothing at ${path.slice(0, 200)}; the API begins with ${BASE}/chat/completions.`;
    const headers = other ? { Allow: other.split(' ')[0]! } : undefined;
    request.resume();
    sendJson(
      response,
      other ? 405 : 404,
      errorBody(message, 'invalid_request_error', 'INVALID_ARGUMENT'),
      headers,
    );
  }

  #fail(error: unknown, response: ServerResponse): void {
    if (error instanceof BrokenOff) return error.tell(failureOf(error.cause, this.#app.log));
    const { status, body, headers } = failureOf(error, this.#app.log);
    // What is left of a body is not read.
    sendJson(response, status, body, { ...headers, Connection: 'close' });
  }
}

function named(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function refuse(response: ServerResponse, { status, message, headers }: Refusal): string {
  const body = errorBody(
    message,
    'invalid_request_error',
    status === 401 ? 'invalid_api_key' : 'INVALID_ARGUMENT',
  );
  sendJson(response, status, body, { ...headers, Connection: 'close' });
  return 'refused';
}
