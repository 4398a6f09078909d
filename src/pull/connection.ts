// Requests to the hub and to where it sends us: redirects followed by hand, so that the token stays with the hub; proxies
// of the environment; what may pass by itself told from what will not.
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvHttpProxyAgent, fetch, type Dispatcher, type Response } from 'undici';
import { AfterimageError } from '../errors.js';

export type { Response };

const REDIRECTS = 10;
const ATTEMPTS = 5;
const LONGEST_WAIT_MS = 5 * 60_000;
const LONGEST_SENTENCE = 500;
const EXPIRED = [401, 403, 404, 410];
/** Too late, too many: said by a server that may do it the next time. */
const PASSING = [408, 425, 429];

/** What another attempt may mend. */
export class PassingError extends AfterimageError {
  /** What `Retry-After` asks for. */
  readonly waitMs: number | undefined;

  constructor(message: string, options: { cause?: unknown; waitMs?: number } = {}) {
    super('URL_FAILED', message, options);
    this.waitMs = options.waitMs;
  }
}

export interface ConnectionOptions {
  endpoint: string;
  token?: string;
  signal?: AbortSignal;
  /** Wait before the second attempt; each further one waits that much longer. */
  retryMs?: number;
}

export class Connection {
  readonly endpoint: string;
  readonly #token: string | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #retryMs: number;
  readonly #dispatcher: Dispatcher | undefined = proxies();

  constructor({ endpoint, token, signal, retryMs = 500 }: ConnectionOptions) {
    this.endpoint = endpoint.replace(/\/+$/, '');
    if (!/^https?:\/\//.test(this.endpoint) || !URL.canParse(this.endpoint)) {
      throw new AfterimageError(
        'INVALID_ARGUMENT',
        `Expected an http(s) address for HF_ENDPOINT but received "${endpoint}".`,
      );
    }
    this.#token = token;
    this.#signal = signal;
    this.#retryMs = retryMs;
  }

  /**
   * One request, not repeated. 416 is returned like a success.
   * @param path Below the endpoint.
   * @throws AfterimageError MODEL_NOT_FOUND (401, 403, 404 of the hub), CANCELLED; PassingError
   */
  async request(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> {
    let url = new URL(`${this.endpoint}${path}`);
    for (let hops = 0; hops <= REDIRECTS; hops++) {
      const response = await this.#send(url, headers, method);
      const next = response.status >= 300 && response.status < 400 && response.headers.get('location');
      // A HEAD asks the hub; its storage knows neither the etag nor the commit.
      if (!next || (method === 'HEAD' && !this.#isHub(new URL(next, url)))) {
        return response.ok || response.status === 416 || (next && method === 'HEAD')
          ? response
          : this.#refuse(response, url, hops > 0);
      }
      await response.body?.cancel();
      url = new URL(next, url);
    }
    throw new AfterimageError(
      'URL_FAILED',
      `${this.endpoint} redirects more than ${REDIRECTS} times; try again later.`,
    );
  }

  /** Repeats what may pass, as long as it gets anywhere. @param progress Grows with what has been achieved. */
  async persist<T>(run: () => Promise<T>, progress: () => number = () => 0): Promise<T> {
    let before = progress();
    for (let attempt = 1; ; attempt++) {
      try {
        return await run();
      } catch (error) {
        if (!(error instanceof PassingError)) throw error;
        if (progress() > before) attempt = 1;
        before = progress();
        const waitMs = error.waitMs ?? this.#retryMs * attempt;
        if (attempt >= ATTEMPTS || waitMs > LONGEST_WAIT_MS) throw error;
        await sleep(waitMs, undefined, { signal: this.#signal }).catch((cause: unknown) => {
          throw this.cancelled(cause);
        });
      }
    }
  }

  /** The error of a body that broke off. */
  interrupted(what: string, cause?: unknown): AfterimageError {
    if (this.#signal?.aborted) return this.cancelled(cause);
    return new PassingError(
      `The download of ${what} was interrupted; run the command again to continue it.`,
      { cause },
    );
  }

  cancelled(cause: unknown): AfterimageError {
    const message = 'The download was cancelled; run the command again to continue it.';
    return new AfterimageError('CANCELLED', message, { cause });
  }

  #isHub(url: URL): boolean {
    return url.origin === new URL(this.endpoint).origin;
  }

  async #send(url: URL, headers: Record<string, string>, method: string): Promise<Response> {
    const authorization: Record<string, string> =
      this.#token && this.#isHub(url) ? { authorization: `Bearer ${this.#token}` } : {};
    try {
      return await fetch(url, {
        method,
        redirect: 'manual',
        // Ranges count the bytes of the file, not of a packed form.
        headers: { 'accept-encoding': 'identity', ...authorization, ...headers },
        signal: this.#signal,
        ...(this.#dispatcher && { dispatcher: this.#dispatcher }),
      });
    } catch (cause) {
      if (this.#signal?.aborted) throw this.cancelled(cause);
      const reason = (cause as { cause?: NodeJS.ErrnoException }).cause;
      throw new PassingError(
        `${url.origin} cannot be reached (${reason?.code ?? reason?.message ?? (cause as Error).message}); check the network and HTTPS_PROXY, then run the command again.`,
        { cause },
      );
    }
  }

  async #refuse(response: Response, url: URL, redirected: boolean): Promise<never> {
    const { status } = response;
    const sentence = await sentenceOf(response);
    const said = sentence ? `: ${sentence}` : '';
    const elsewhere = !this.#isHub(url) || (redirected && sentence === undefined);
    if (EXPIRED.includes(status) && elsewhere)
      throw new PassingError(
        `${url.origin} no longer gives out the address that the hub named (${status}); run the command again.`,
      );
    if (PASSING.includes(status) || status >= 500)
      throw new PassingError(
        `${url.origin} answered ${status}${said || ' and asks to wait'}; run the command again later to continue.`,
        { waitMs: retryAfter(response) },
      );
    if ([401, 403, 404].includes(status))
      throw new AfterimageError(
        'MODEL_NOT_FOUND',
        `The hub refuses this model or does not have it (${status}${said}); check the name and the revision, and for a gated model accept its terms on ${this.endpoint} and set HF_TOKEN.`,
      );
    throw new AfterimageError('URL_FAILED', `${url.origin} answered ${status}${said}; try again later.`);
  }
}

/** Undefined where the environment names no proxy. NO_PROXY is honoured. */
function proxies(): Dispatcher | undefined {
  const named = ['HTTPS_PROXY', 'HTTP_PROXY', 'https_proxy', 'http_proxy'].some((name) => process.env[name]);
  return named ? new EnvHttpProxyAgent() : undefined;
}

/** What the hub says itself, such as that a model is gated: a header, else the body's `error`. */
async function sentenceOf(response: Response): Promise<string | undefined> {
  const header = response.headers.get('x-error-message');
  const body = header === null ? await errorOfBody(response) : undefined;
  if (header !== null) await response.body?.cancel();
  const sentence = (header ?? body ?? '')
    // A terminal must not be steered by a server.
    .replace(/[\u0000-\u001f\u007f-\u009f\s]+/g, ' ')
    .trim()
    .replace(/\.$/, '');
  return sentence === '' ? undefined : sentence.slice(0, LONGEST_SENTENCE);
}

async function errorOfBody(response: Response): Promise<string | undefined> {
  if (!/json/.test(response.headers.get('content-type') ?? '')) {
    await response.body?.cancel();
    return undefined;
  }
  // A refusal that is not what it says it is has no sentence.
  const body = (await response.json().catch(() => undefined)) as { error?: unknown } | undefined;
  return typeof body?.error === 'string' ? body.error : undefined;
}

/** Seconds or a date. https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
function retryAfter(response: Response): number | undefined {
  const value = response.headers.get('retry-after')?.trim();
  if (!value) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
