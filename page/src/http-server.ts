// The door as the page's server: everything is asked for with the key of this tab.
import type { ToolEvent } from '../../src/http/page/tool-stream.js';
import type { Live } from '../../src/http/page/live.js';
import { eventsOf } from './event-stream.js';
import {
  Refusal,
  type CallOptions,
  type Outcome,
  type Server,
  type Structured,
  type ToolName,
} from './server.js';

const BASE = '/page';
const KEY = 'afterimage key';

export class HttpServer implements Server {
  readonly #key: string;
  /** Addresses of pictures in this tab's memory. */
  readonly #pictures = new Map<string, Promise<string>>();
  /** Who answers; undefined: the model that is meant where none is named. */
  model: string | undefined;

  private constructor(key: string) {
    this.#key = key;
  }

  /** As who signed in before, if anyone did. */
  static remembered(): HttpServer | undefined {
    const key = sessionStorage.getItem(KEY);
    return key === null ? undefined : new HttpServer(key);
  }

  /** @throws Refusal */
  static async signIn(by: { token: string } | { code: string }): Promise<HttpServer> {
    const token = 'token' in by ? { Authorization: `Bearer ${by.token}` } : undefined;
    const response = await fetch(`${BASE}/session`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...token },
      body: JSON.stringify(token ? {} : by),
    });
    await checked(response);
    const { key } = (await response.json()) as { key: string };
    sessionStorage.setItem(KEY, key);
    return new HttpServer(key);
  }

  async signOut(): Promise<void> {
    sessionStorage.removeItem(KEY);
    await this.#ask('DELETE', '/session');
  }

  async call(tool: ToolName, args: Record<string, unknown>, options: CallOptions = {}): Promise<Outcome> {
    const body = { arguments: args, ...(this.model !== undefined && { model: this.model }) };
    const response = await this.#ask('POST', `/tools/${tool}`, body, options.signal);
    for await (const event of eventsOf<ToolEvent>(response)) {
      if ('text' in event) options.onText?.(event.text);
      else if ('progress' in event) options.onProgress?.(event.progress);
      else if ('error' in event) throw new Refusal(event.error.code, event.error.message);
      else {
        const { structured, reuse } = event.result;
        return { structured: structured as unknown as Structured, reuse: reuse as Outcome['reuse'] };
      }
    }
    throw new Refusal('ENGINE_UNREACHABLE', 'The connection broke off. Ask again.');
  }

  picture(imageId: string, side: number): Promise<string> {
    const name = `${imageId} ${side}`;
    const known = this.#pictures.get(name) ?? this.#fetched(imageId, side);
    this.#pictures.set(name, known);
    known.catch(() => this.#pictures.delete(name));
    return known;
  }

  /** Until `signal` aborts; ends when the server does. @throws Refusal */
  async *live(signal: AbortSignal): AsyncGenerator<Live> {
    const query = this.model === undefined ? '' : `?model=${encodeURIComponent(this.model)}`;
    yield* eventsOf<Live>(await this.#ask('GET', `/live${query}`, undefined, signal));
  }

  /** Answers when the model can. */
  async load(model: string): Promise<void> {
    await this.#ask('POST', '/load', { model });
  }

  async download(model: string): Promise<void> {
    await this.#ask('POST', '/downloads', { model });
  }

  async stopDownload(model: string): Promise<void> {
    await this.#ask('DELETE', `/downloads?model=${encodeURIComponent(model)}`);
  }

  async #fetched(imageId: string, side: number): Promise<string> {
    const response = await this.#ask('GET', `/pictures/${imageId}?side=${side}`);
    return URL.createObjectURL(await response.blob());
  }

  async #ask(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const response = await fetch(BASE + path, {
      method,
      headers: {
        Authorization: `Bearer ${this.#key}`,
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: signal ?? null,
    });
    if (response.status === 401) sessionStorage.removeItem(KEY);
    return checked(response);
  }
}

/** @throws Refusal */
async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  const said = (await response.json().catch(() => undefined)) as
    { error?: { code?: string; message?: string } } | undefined;
  const code = response.status === 401 ? SIGNED_OUT : (said?.error?.code ?? 'INTERNAL');
  throw new Refusal(code, said?.error?.message ?? `The server answered with status ${response.status}.`);
}

/** Code of a refusal after which one has to sign in again. */
export const SIGNED_OUT = 'SIGNED_OUT';
