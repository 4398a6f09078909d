// An engine elsewhere: one or several servers that speak chat completions. Every question carries the full conversation;
// what a server reuses of it is its own affair, and what it says about that is passed on.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AfterimageError } from '../../errors.js';
import type { ImageInput } from '../../image/rgb-image.js';
import type { Message } from '../../prompt/message.js';
import type { Answer, AskOptions, Engine, EngineStatus, ModelInfo, Progress, Session } from '../engine.js';
import { DEFAULT_MAX_TOKENS } from '../local-session.js';
import { Endpoint, type Asking } from './endpoint.js';
import type { Fault } from './faults.js';
import { Pool } from './pool.js';
import { SentImages } from './sent-images.js';

export interface CompletionsOptions {
  /** Addresses of the servers, with or without /v1. */
  urls: readonly string[];
  /** As the servers list it; absent: the only one they have. */
  model?: string;
  key?: string;
  /** Largest size in which an image is sent, in pixels. */
  maxPixels?: number;
  /** Longest silence of a server at work. */
  silenceMs?: number;
}

const MOST_TRIES = 4;
const FIRST_WAIT_MS = 250;

export class CompletionsEngine implements Engine {
  readonly #pool: Pool;
  #state: EngineStatus['state'] = 'idle';
  #info: ModelInfo | undefined;
  readonly #sessions = new Set<Session>();
  readonly #closing = new AbortController();

  /** Nothing is connected before the first call. @throws AfterimageError INVALID_ARGUMENT for what is no address */
  constructor({ urls, model, key, maxPixels, silenceMs }: CompletionsOptions) {
    const images = new SentImages(maxPixels);
    this.#pool = new Pool(
      urls.map((url) => new Endpoint({ url: apiBase(url), model, key, silenceMs }, images)),
    );
  }

  async ready(onProgress?: (progress: Progress) => void): Promise<ModelInfo> {
    if (this.#state === 'idle' || this.#state === 'failed') this.#state = 'loading';
    onProgress?.({ stage: 'load', done: 0 });
    return this.#tried(undefined, this.#closing.signal, (endpoint) => this.#described(endpoint));
  }

  open(): Session {
    if (this.#closing.signal.aborted) throw closedError();
    const session = new CompletionsSession({
      ask: (messages, options, stop) => this.#ask(messages, options, stop),
      fork: () => this.open(),
      forget: (closed) => this.#sessions.delete(closed),
    });
    this.#sessions.add(session);
    return session;
  }

  async warm(images: ImageInput[], signal?: AbortSignal): Promise<void> {
    const stop = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    await this.#tried(images[0]?.pixelHash, stop, (endpoint) => endpoint.warm(images, stop)).catch(
      (error: unknown) => {
        if (!signal?.aborted) throw error;
      },
    );
  }

  /** Of a peer as of its last answer. */
  status(): EngineStatus {
    const { endpoints } = this.#pool;
    const told = endpoints.flatMap(({ status }) => (status ? Object.entries(status.cache) : []));
    const cache: Record<string, number> = {
      servers: endpoints.length,
      servers_resting: endpoints.filter(({ up }) => !up).length,
      questions_running: endpoints.reduce((sum, { busy }) => sum + busy, 0),
    };
    for (const [name, value] of told) cache[name] = (cache[name] ?? 0) + value;
    return { model: this.#info ?? null, state: this.#state, sessions: this.#sessions.size, cache };
  }

  /** The servers keep theirs to themselves. */
  async tree(): Promise<null> {
    return null;
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    for (const session of [...this.#sessions]) session.close();
    this.#closing.abort();
    await Promise.all(this.#pool.endpoints.map((endpoint) => endpoint.close()));
  }

  async #ask(messages: Message[], options: AskOptions, stop: AbortSignal): Promise<Answer> {
    const first = messages.flatMap(({ content }) => content).find((part) => part.type === 'image');
    const image = first?.type === 'image' ? first.image.pixelHash : undefined;
    const asking: Asking = { ...options, maxTokens: options.maxTokens ?? DEFAULT_MAX_TOKENS };
    try {
      return await this.#tried(image, stop, async (endpoint, begun) => {
        await this.#described(endpoint, options.onProgress);
        options.onProgress?.({ stage: 'queue', done: 0 });
        return endpoint.ask(messages, asking, stop, begun);
      });
    } catch (error) {
      if (stop.aborted) return unanswered(options.continues?.text ?? '');
      throw error;
    }
  }

  async #described(endpoint: Endpoint, onProgress?: AskOptions['onProgress']): Promise<ModelInfo> {
    if (!this.#info) onProgress?.({ stage: 'load', done: 0 });
    const info = await endpoint.info();
    this.#info = info;
    if (!this.#closing.signal.aborted) this.#state = 'ready';
    return info;
  }

  /**
   * One server after the other, and again after a while, as long as nothing has been generated.
   * @param run Calls `begun` when the first of an answer has come.
   */
  async #tried<T>(
    image: string | undefined,
    stop: AbortSignal,
    run: (endpoint: Endpoint, begun: () => void) => Promise<T>,
  ): Promise<T> {
    const failed = new Set<Endpoint>();
    let begun = false;
    for (let tries = 1; ; tries++) {
      if (this.#closing.signal.aborted) throw closedError();
      const endpoint = this.#pool.choose(image, failed);
      try {
        return await abortable(
          run(endpoint, () => (begun = true)),
          stop,
        );
      } catch (error) {
        if (this.#closing.signal.aborted) throw closedError();
        if (stop.aborted) throw error;
        const fault = endpoint.fault(error);
        failed.add(endpoint);
        const over = begun || !fault.passing || tries >= Math.max(MOST_TRIES, this.#pool.endpoints.length);
        if (over) throw this.#given(fault);
        if (!this.#pool.hasOther(failed)) {
          failed.clear();
          await sleep(waitBefore(tries, fault), undefined, { signal: stop });
        }
      }
    }
  }

  #given({ error }: Fault): AfterimageError {
    if (!this.#info && !this.#closing.signal.aborted) this.#state = 'failed';
    return error;
  }
}

interface SessionHost {
  ask(messages: Message[], options: AskOptions, stop: AbortSignal): Promise<Answer>;
  fork(): Session;
  forget(session: Session): void;
}

class CompletionsSession implements Session {
  readonly id = randomBytes(16).toString('hex');
  readonly #host: SessionHost;
  readonly #closing = new AbortController();
  /** Questions of one session are answered one after another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(host: SessionHost) {
    this.#host = host;
  }

  ask(messages: Message[], options: AskOptions = {}): Promise<Answer> {
    if (this.#closing.signal.aborted) return Promise.reject(sessionClosed());
    const { signal } = this.#closing;
    const stop = options.signal ? AbortSignal.any([options.signal, signal]) : signal;
    const answer = this.#last.then(() => this.#host.ask(messages, options, stop));
    this.#last = answer.catch(() => {});
    return answer;
  }

  fork(): Session {
    if (this.#closing.signal.aborted) throw sessionClosed();
    return this.#host.fork();
  }

  close(): void {
    this.#closing.abort();
    this.#host.forget(this);
  }
}

/** @throws AfterimageError INVALID_ARGUMENT */
export function apiBase(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '') {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `Expected an address like http://127.0.0.1:8000 for --engine but received "${address.replace(/\/\/.*@/, '//…@')}"; a key goes into AFTERIMAGE_ENGINE_KEY.`,
    );
  }
  const path = url.pathname.replace(/\/+$/, '');
  return `${url.origin}${path === '' ? '/v1' : path}`;
}

function waitBefore(tries: number, { retryAfterMs }: Fault): number {
  return retryAfterMs ?? FIRST_WAIT_MS * 2 ** (tries - 1);
}

/** Longer than a peer is given for its last words. */
const STOP_GRACE_MS = 1800;

/** Stops waiting for what does not heed `stop` itself, such as a server that is asked what it is. */
function abortable<T>(work: Promise<T>, stop: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const giveUp = (): void => reject(new AfterimageError('CANCELLED', 'The call was cancelled; ask again.'));
    // An answer that is stopped comes with what there is of it; this is for those that never come.
    const abort = (): void => void setTimeout(giveUp, STOP_GRACE_MS).unref();
    if (stop.aborted) abort();
    stop.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => stop.removeEventListener('abort', abort));
  });
}

function unanswered(text: string): Answer {
  return {
    text,
    tokenIds: [],
    stopReason: 'cancelled',
    cache: { source: 'remote' },
    decodeMs: 0,
    viewed: [],
  };
}

function closedError(): AfterimageError {
  return new AfterimageError('CLOSED', 'The engine is closed.');
}

function sessionClosed(): AfterimageError {
  return new AfterimageError('CLOSED', 'This session is closed; open a new one.');
}
