// JSON bodies, bounded: each by what one request may hold, all together by what this process can keep at once.
import type { IncomingMessage } from 'node:http';
import { AfterimageError } from '../errors.js';
import { SharedWriter, type CarriedText } from '../image/carried.js';
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
   * Runs `use` with the parsed body, which counts as held until it is done.
   * @throws AfterimageError IMAGE_TOO_LARGE, ENGINE_BUSY, INVALID_ARGUMENT
   */
  read<T>(request: IncomingMessage, use: (json: unknown) => Promise<T>): Promise<T> {
    return this.bytes(request, (parts) => use(parsed(parts)));
  }

  /**
   * As `read`, with the bytes as they came.
   * @throws AfterimageError IMAGE_TOO_LARGE, ENGINE_BUSY
   */
  async bytes<T>(request: IncomingMessage, use: (parts: CarriedText) => Promise<T>): Promise<T> {
    let held = 0;
    const hold = (bytes: number): void => {
      held += bytes;
      this.#held += bytes;
      if (held > this.#most) throw this.#tooLarge();
      if (this.#held > this.#mostAtOnce) throw busy();
    };
    try {
      if (Number(request.headers['content-length'] ?? 0) > this.#most) throw this.#tooLarge();
      const body = new SharedWriter();
      // What is refused is answered on the connection that it came on.
      const arriving = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
      for await (const part of arriving) {
        hold(part.length);
        body.append(part);
      }
      return await use(body.end());
    } finally {
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

function parsed(parts: Uint8Array[]): unknown {
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
