// The page for people at the door's root: its files, signing in, and what it asks for. It sends its key as a header.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { isModelName } from '../../engine/model-places.js';
import type { Models } from '../../engine/models.js';
import { AfterimageError } from '../../errors.js';
import type { App } from '../../mcp/app.js';
import { localOnly, type Refusal } from '../../mcp/gate.js';
import { pageFile } from '../../mcp/page-files.js';
import { shownPicture } from '../../mcp/resources.js';
import { bearerOf } from '../../mcp/token.js';
import { Bodies } from '../body.js';
import { EventStream } from '../event-stream.js';
import { RefusedField } from '../failures.js';
import { sendJson } from '../respond.js';
import { Downloads } from './downloads.js';
import { watcher } from './live.js';
import { SignIns } from './sign-ins.js';
import { streamTool } from './tool-stream.js';

export interface PageOptions {
  models: Models;
  /** One for each client. */
  rooms: readonly App[];
  /** Index of the client whose token a request carries, or how to refuse it; undefined: answered already. */
  admitted(request: IncomingMessage, response: ServerResponse): number | Refusal | undefined;
  /** Whether models may be downloaded. */
  downloads: boolean;
  /** Of one picture, decoded. */
  imageBytes: number;
}

const FILES: Record<string, { name: string; type: string }> = {
  '/': { name: 'index.html', type: 'text/html; charset=utf-8' },
  '/page/page.js': { name: 'page.js', type: 'text/javascript; charset=utf-8' },
  '/page/page.css': { name: 'page.css', type: 'text/css; charset=utf-8' },
  '/page/icon.svg': { name: 'icon.svg', type: 'image/svg+xml' },
};

/** Nothing but our own files runs or is fetched, no text becomes markup, and no other page may put this one in a frame. */
const HEADERS = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cache-Control': 'no-cache',
};

/** Below it lies what only who signed in may ask for. */
const BASE = '/page/';
const LOOK_MS = 400;
const MOST_WATCHERS = 32;
const SMALL_BODY = 4096;
const TEXT_BYTES = 2 ** 20;
/** A comparison sends two. */
const PICTURES = 2;

const wantedModel = z.object({ model: z.string().max(200) });
const code = z.object({ code: z.string().max(200) });

type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  app: App,
) => Promise<void> | void;

export class Page {
  readonly #options: PageOptions;
  readonly #signIns = new SignIns();
  readonly #downloads: Downloads | undefined;
  readonly #bodies: Bodies;
  readonly #small = new Bodies(SMALL_BODY, 256 * SMALL_BODY);
  readonly #local = localOnly();
  readonly #closing = new AbortController();
  readonly #routes: Record<string, Handler>;
  #watchers = 0;

  constructor(options: PageOptions) {
    this.#options = options;
    this.#downloads = options.downloads
      ? new Downloads((err) => options.rooms[0]!.log.error({ err }, 'download failed'))
      : undefined;
    this.#bodies = new Bodies(Math.ceil((PICTURES * options.imageBytes * 4) / 3) + TEXT_BYTES);
    this.#routes = {
      'GET live': (request, response, url, app) => this.#watch(response, url, app),
      'POST load': (request, response) => this.#load(request, response),
      'POST downloads': (request, response) => this.#download(request, response),
      'DELETE downloads': (request, response, url) => this.#stopDownload(response, url),
      'DELETE session': (request, response) => {
        this.#signIns.signOut(bearerOf(request.headers.authorization));
        sendJson(response, 200, {});
      },
    };
  }

  /** @returns an address that signs in once */
  link(url: string): string {
    return `${url}/#${this.#signIns.link(0)}`;
  }

  /** Whether the path is the page's. */
  has(path: string): boolean {
    return path === '/' || path.startsWith(BASE);
  }

  /** @returns how to refuse it, where it is */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<Refusal | undefined> {
    const local = this.#local(request, response);
    if (local !== true) return local;
    const url = new URL(request.url ?? '/', 'http://page');
    const file = FILES[url.pathname];
    if (file) return this.#file(file, request, response);
    const path = url.pathname.slice(BASE.length);
    if (`${request.method} ${path}` === 'POST session') return this.#signIn(request, response);
    const client = this.#signIns.clientOf(bearerOf(request.headers.authorization));
    if (client === undefined) return SIGN_IN;
    await this.#answer(path, url, { request, response, app: this.#options.rooms[client]! });
    return undefined;
  }

  close(): void {
    this.#closing.abort();
    this.#downloads?.close();
  }

  async #answer(path: string, url: URL, { request, response, app }: Asked): Promise<void> {
    const [first, second = ''] = path.split('/');
    if (request.method === 'POST' && first === 'tools') {
      const { models } = this.#options;
      return streamTool(second, { request, response, app, models, bodies: this.#bodies });
    }
    if (request.method === 'GET' && first === 'pictures') return picture(second, url, response, app);
    const handler = this.#routes[`${request.method} ${path}`];
    if (!handler) throw new AfterimageError('INVALID_ARGUMENT', 'The page has nothing there; reload it.');
    return handler(request, response, url, app);
  }

  async #file(
    { name, type }: { name: string; type: string },
    { method }: IncomingMessage,
    response: ServerResponse,
  ): Promise<Refusal | undefined> {
    if (method !== 'GET' && method !== 'HEAD')
      return { status: 405, message: 'Send GET.', headers: { Allow: 'GET' } };
    const text = await pageFile(name, 'utf8');
    response.writeHead(200, { ...HEADERS, 'Content-Type': type });
    response.end(method === 'HEAD' ? undefined : text);
    return undefined;
  }

  /** By the token, or by the code of a link. */
  async #signIn(request: IncomingMessage, response: ServerResponse): Promise<Refusal | undefined> {
    const given =
      request.headers.authorization === undefined
        ? this.#signIns.redeem(
            await this.#small.read(request, async (json) => code.safeParse(json).data?.code ?? ''),
          )
        : this.#options.admitted(request, response);
    if (typeof given === 'number') sendJson(response, 200, { key: this.#signIns.signIn(given) });
    else return given ?? (response.headersSent ? undefined : SIGN_IN);
    return undefined;
  }

  async #watch(response: ServerResponse, url: URL, app: App): Promise<void> {
    if (this.#watchers >= MOST_WATCHERS)
      throw new AfterimageError('ENGINE_BUSY', 'Too many pages watch this server; close one.');
    const { models } = this.#options;
    const engine = await models.engine(url.searchParams.get('model') ?? undefined);
    const look = watcher({ app, models, engine, downloads: this.#downloads });
    const stream = new EventStream(response);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const over = AbortSignal.any([gone.signal, this.#closing.signal]);
    this.#watchers++;
    try {
      for (let last = ''; !over.aborted; await sleep(LOOK_MS, undefined, { signal: over }).catch(() => {})) {
        const { at, ...now } = await look();
        const text = JSON.stringify(now);
        if (text !== last) stream.send({ at, ...now });
        last = text;
      }
    } finally {
      this.#watchers--;
      stream.end();
    }
  }

  async #load(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const model = await this.#modelIn(request);
    const { name } = await (await this.#options.models.engine(model)).ready();
    sendJson(response, 200, { name });
  }

  async #download(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const model = await this.#modelIn(request);
    if (!isModelName(model))
      throw new RefusedField('model', 'Expected org/name, such as mlx-community/Qwen2-VL-2B-Instruct-4bit.');
    this.#downloading().begin(model);
    sendJson(response, 202, {});
  }

  #stopDownload(response: ServerResponse, url: URL): void {
    this.#downloading().stop(url.searchParams.get('model') ?? '');
    sendJson(response, 200, {});
  }

  #downloading(): Downloads {
    if (this.#downloads) return this.#downloads;
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      'The models of this server are elsewhere; download them there.',
    );
  }

  async #modelIn(request: IncomingMessage): Promise<string> {
    const { data } = await this.#small.read(request, async (json) => wantedModel.safeParse(json));
    if (data) return data.model;
    throw new RefusedField('model', 'Send {"model": "org/name"}.');
  }
}

interface Asked {
  request: IncomingMessage;
  response: ServerResponse;
  app: App;
}

const SIGN_IN: Refusal = { status: 401, message: 'Sign in to the page again.', headers: {} };
const USUAL_SIDE = 1600;

/** A private copy is kept by the browser, because a picture's handle names its pixels. */
async function picture(id: string, url: URL, response: ServerResponse, app: App): Promise<void> {
  const side = Number(url.searchParams.get('side')) || USUAL_SIDE;
  const bytes = await shownPicture(id, Math.max(1, side), app);
  if (!bytes)
    throw new AfterimageError('UNKNOWN_IMAGE', 'That picture is not known here any more; add it again.');
  response.writeHead(200, {
    'Content-Type': 'image/webp',
    'Cache-Control': 'private, max-age=3600, immutable',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(bytes);
}
