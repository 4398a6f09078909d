// The server behind the proxy: a request handed on with its headers, its answer handed back as it comes. What a hop keeps
// to itself (RFC 9110, 7.6.1) stays here; keys pass through and are kept nowhere.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Agent, type Dispatcher } from 'undici';
import { AfterimageError } from '../../errors.js';

/** A model may think for minutes before its first word, and between two. */
const SILENCE_MS = 30 * 60_000;
const CONNECT_MS = 10_000;

/** Our own token, where one is wanted. */
export const TOKEN_HEADER = 'x-afterimage-token';

const OF_ONE_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Written anew for the server, or answered here. */
const OF_THIS_SERVER = new Set(['host', 'expect', TOKEN_HEADER]);

/** Exchanged for what came: its bytes, and that they are not compressed. */
export interface Body {
  pieces: Uint8Array[];
  /** Of the request's headers those that say something about the body that is no longer so. */
  without: readonly string[];
}

export class Upstream {
  readonly name: string;
  readonly #origin: string;
  readonly #base: string;
  readonly #agent = new Agent({
    connect: { timeout: CONNECT_MS },
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
  });

  /** @param address With the path below which the API is. @throws AfterimageError INVALID_ARGUMENT */
  constructor(address: string) {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search + url.hash !== '') {
      throw new AfterimageError(
        'INVALID_ARGUMENT',
        `Expected an address like https://api.example.com/v1 for --upstream but received "${address.replace(/\/\/.*@/, '//…@')}"; the key comes with each request.`,
      );
    }
    this.name = url.host;
    this.#origin = url.origin;
    this.#base = url.pathname.replace(/\/+$/, '');
  }

  /**
   * Hands a request on.
   * @param body Absent: as it comes, nothing read before.
   * @returns when the answer begins. @throws AfterimageError ENGINE_UNREACHABLE
   */
  async ask(
    request: IncomingMessage,
    body: Body | undefined,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const headers = passed(request.rawHeaders, [...OF_THIS_SERVER, ...(body?.without ?? [])]);
    if (body) {
      const length = body.pieces.reduce((sum, piece) => sum + piece.length, 0);
      headers.push('content-length', String(length));
    }
    try {
      return await this.#agent.request({
        origin: this.#origin,
        path: this.#base + withoutVersion(request.url!, this.#base),
        method: request.method as Dispatcher.HttpMethod,
        headers,
        body: body ? Readable.from(body.pieces, { objectMode: false }) : hasBody(request) ? request : null,
        signal,
        responseHeaders: 'raw',
      });
    } catch (cause) {
      if (signal.aborted) throw cause;
      throw new AfterimageError(
        'ENGINE_UNREACHABLE',
        `${this.name} does not answer (${reasonOf(cause)}); check --upstream, or try again.`,
        { cause },
      );
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

/** Hands an answer back, each part as soon as it comes. @throws where it breaks off; the client's connection ends with it */
export async function handBack(answer: Dispatcher.ResponseData, response: ServerResponse): Promise<void> {
  const raw = answer.headers as unknown as string[];
  response.writeHead(answer.statusCode, passed(raw, []));
  response.flushHeaders();
  await pipeline(answer.body, response);
}

/** Pairs of names and values without those of one hop, of those that Connection names, and of `others`. */
function passed(raw: string[], others: readonly string[]): string[] {
  const pairs = Array.from({ length: raw.length / 2 }, (_, at) => [raw[2 * at]!, raw[2 * at + 1]!] as const);
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((one) => one.trim().toLowerCase()));
  const left = new Set([...OF_ONE_HOP, ...named, ...others]);
  return pairs.filter(([name]) => !left.has(name.toLowerCase())).flat();
}

/** Where both the address and the client say a version, such as /v1, the address does. */
function withoutVersion(path: string, base: string): string {
  return /\/v\d+[a-z0-9]*$/.test(base) ? path.replace(/^\/v1(?=\/)/, '') : path;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function reasonOf(cause: unknown): string {
  const { code } = cause as { code?: unknown };
  return typeof code === 'string' ? code : 'the connection failed';
}
