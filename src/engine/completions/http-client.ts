// The connection to one server: OpenAI's client over our own sockets, so that silence ends, what comes is bounded, and the
// key goes nowhere but to the server that it is for.
import OpenAI from 'openai';
import { Agent, fetch as fetchOver, type RequestInit as UndiciInit } from 'undici';

/** Longest silence of a server that is at work: a large prompt on a small machine takes minutes. */
const SILENCE_MS = 15 * 60_000;
const CONNECT_MS = 5000;
/** Nothing ends by the client's own clock: calls have a deadline, and silence its limit. */
const NEVER_MS = 24 * 3_600_000;
/** Around the answer itself. */
const OVERHEAD_BYTES = 4 * 2 ** 20;
/** An event of one token, with its probability. */
const BYTES_PER_TOKEN = 4096;

export interface ClientOptions {
  /** Ending in the API's base, such as http://host:8000/v1. */
  url: string;
  key?: string;
  silenceMs?: number;
}

export class ServerClient {
  readonly api: OpenAI;
  readonly #agent: Agent;

  constructor({ url, key, silenceMs = SILENCE_MS }: ClientOptions) {
    this.#agent = new Agent({
      connect: { timeout: CONNECT_MS },
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
    });
    this.api = new OpenAI({
      baseURL: url,
      apiKey: key ?? 'none',
      // Whatever the environment holds is meant for another server.
      organization: null,
      project: null,
      webhookSecret: null,
      ...(key === undefined && { defaultHeaders: { Authorization: null } }),
      maxRetries: 0,
      timeout: NEVER_MS,
      logLevel: 'off',
      fetch: (input, init) => this.#fetch(String(input), init),
    });
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #fetch(url: string, init: RequestInit | undefined): Promise<Response> {
    const answered = await fetchOver(url, {
      ...(init as UndiciInit),
      dispatcher: this.#agent,
      redirect: 'error',
    });
    const { body, status, statusText } = answered as unknown as Response;
    const headers = new Headers([...answered.headers]);
    return new Response(body && body.pipeThrough(bounded(mostBytes(init?.body))), {
      status,
      statusText,
      headers,
    });
  }
}

/** Sizes are bounded by what was asked. */
function mostBytes(body: unknown): number {
  const tokens = typeof body === 'string' ? Number(/"max_tokens":(\d+)/.exec(body)?.[1] ?? 0) : 0;
  return OVERHEAD_BYTES + tokens * BYTES_PER_TOKEN;
}

function bounded(most: number): TransformStream<Uint8Array, Uint8Array> {
  let left = most;
  return new TransformStream({
    transform(part, controller) {
      left -= part.length;
      if (left < 0) controller.error(new Error('The response is larger than anything that was asked for.'));
      else controller.enqueue(part);
    },
  });
}
