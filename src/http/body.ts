// JSON bodies, bounded: each by what one request may hold, all together by what this process can keep at once.
import type { IncomingMessage } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { AfterimageError } from '../errors.js';
import { releaseCarried } from '../image/carried.js';
import { LONGEST_REST } from '../mcp/app.js';
import { Breath } from '../mcp/breath.js';
import { LiftedMessage } from '../mcp/lifted.js';
import { RefusedField } from './failures.js';

/** Of all requests that are being read or whose images are being decoded. */
const MOST_BYTES_AT_ONCE = 768 * 2 ** 20;

export class Bodies {
  readonly #most: number;
  readonly #mostAtOnce: number;
  #held = 0;

  /** @param most Bytes of one body. */
  constructor(most: number, mostAtOnce = Math.max(most, MOST_BYTES_AT_ONCE)) {
    this.#most = most;
    this.#mostAtOnce = mostAtOnce;
  }

  /**
   * Runs `use` with the parsed body, which counts as held until it is done. Long strings in it are carried: pictures as
   * they are loaded, texts by `textOf`.
   * @throws AfterimageError IMAGE_TOO_LARGE, ENGINE_BUSY, INVALID_ARGUMENT
   */
  async read<T>(request: IncomingMessage, use: (json: unknown) => Promise<T>): Promise<T> {
    let held = 0;
    let json: unknown;
    const hold = (bytes: number): void => {
      held += bytes;
      this.#held += bytes;
      if (held > this.#most) throw this.#tooLarge();
      if (this.#held > this.#mostAtOnce) throw busy();
    };
    try {
      if (Number(request.headers['content-length'] ?? 0) > this.#most) throw this.#tooLarge();
      json = parsed(await lifted(request, hold));
      return await use(json);
    } finally {
      releaseCarried(json);
      this.#held -= held;
    }
  }

  #tooLarge(): AfterimageError {
    return new AfterimageError(
      'IMAGE_TOO_LARGE',
      `The request has more than ${Math.round(this.#most / 2 ** 20)} MB; send smaller or fewer images, or their paths.`,
    );
  }
}

/** @throws AfterimageError INVALID_ARGUMENT when it is long without its long strings */
async function lifted(request: IncomingMessage, hold: (bytes: number) => void): Promise<Buffer[]> {
  const message = new LiftedMessage();
  const breath = new Breath();
  const parts: Buffer[] = [];
  let rest = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    hold(part.length);
    const left = message.lift(part);
    rest += left.reduce((sum, { length }) => sum + length, 0);
    if (rest > LONGEST_REST) throw tooLongARest();
    parts.push(...left);
    if (breath.due(part.length)) await setImmediate();
  }
  return [...parts, ...message.end()];
}

function tooLongARest(): AfterimageError {
  return new AfterimageError(
    'INVALID_ARGUMENT',
    `The request has more than ${LONGEST_REST} bytes beside its pictures; send a shorter conversation.`,
  );
}

function parsed(parts: Buffer[]): unknown {
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown;
  } catch (cause) {
    const refused = new RefusedField('body', 'The body is no JSON; send an object like {"messages": […]}.');
    refused.cause = cause;
    throw refused;
  }
}

export function busy(): AfterimageError {
  return new AfterimageError('ENGINE_BUSY', 'The server has too much to do at once; try again in a second.');
}
