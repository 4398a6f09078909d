// Bytes of messages that are being read: each message is bounded by what one may have, all together by what this process
// can keep at once.
import type { IncomingMessage } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { AfterimageError } from '../errors.js';
import { Breath } from './breath.js';

const MOST_BYTES_AT_ONCE = 768 * 2 ** 20;

export class HeldBytes {
  readonly #most: number;
  readonly #mostAtOnce: number;
  #held = 0;

  /** @param most Bytes of one message. */
  constructor(most: number, mostAtOnce = Math.max(most, MOST_BYTES_AT_ONCE)) {
    this.#most = most;
    this.#mostAtOnce = mostAtOnce;
  }

  /**
   * Runs `work` with the parts of a request's body, which count as held until it is done. What is refused meanwhile can
   * be answered on the connection that it came on.
   * @throws AfterimageError IMAGE_TOO_LARGE, ENGINE_BUSY
   */
  async read<T>(request: IncomingMessage, work: (parts: AsyncIterable<Buffer>) => Promise<T>): Promise<T> {
    let held = 0;
    const hold = (bytes: number): void => {
      held += bytes;
      this.#held += bytes;
      if (held > this.#most) throw this.#tooLarge();
      if (this.#held > this.#mostAtOnce) throw busy();
    };
    try {
      if (Number(request.headers['content-length'] ?? 0) > this.#most) throw this.#tooLarge();
      return await work(arriving(request, hold));
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

async function* arriving(request: IncomingMessage, hold: (bytes: number) => void): AsyncIterable<Buffer> {
  const breath = new Breath();
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    hold(part.length);
    yield part;
    if (breath.due(part.length)) await setImmediate();
  }
}

export function busy(): AfterimageError {
  return new AfterimageError('ENGINE_BUSY', 'The server has too much to do at once; try again in a second.');
}
