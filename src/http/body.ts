// JSON bodies, bounded: each by what one request may hold, all together by what this process can keep at once.
import type { IncomingMessage } from 'node:http';
import { AfterimageError } from '../errors.js';
import { releaseCarried, SharedWriter, type CarriedText } from '../image/carried.js';
import { LONGEST_REST } from '../mcp/app.js';
import { HeldBytes } from '../mcp/held-bytes.js';
import { LiftedMessage } from '../mcp/lifted.js';
import { RefusedField } from './failures.js';

export class Bodies {
  /** Of all requests that are being read or whose images are being decoded. */
  readonly #held: HeldBytes;

  /** @param most Bytes of one body. */
  constructor(most: number, mostAtOnce?: number) {
    this.#held = new HeldBytes(most, mostAtOnce);
  }

  /**
   * Runs `use` with the parsed body, which counts as held until it is done. Long strings in it are carried: pictures as
   * they are loaded, texts by `textOf`.
   * @throws AfterimageError IMAGE_TOO_LARGE, ENGINE_BUSY, INVALID_ARGUMENT
   */
  read<T>(request: IncomingMessage, use: (json: unknown) => Promise<T>): Promise<T> {
    return this.#held.read(request, async (parts) => {
      const json = parsed(await lifted(parts));
      try {
        return await use(json);
      } finally {
        releaseCarried(json);
      }
    });
  }

  /**
   * As `read`, with the bytes as they came.
   * @throws AfterimageError IMAGE_TOO_LARGE, ENGINE_BUSY
   */
  bytes<T>(request: IncomingMessage, use: (parts: CarriedText) => Promise<T>): Promise<T> {
    return this.#held.read(request, async (parts) => {
      const body = new SharedWriter();
      for await (const part of parts) body.append(part);
      return use(body.end());
    });
  }
}

/** @throws AfterimageError INVALID_ARGUMENT when it is long without its long strings */
async function lifted(body: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const message = new LiftedMessage();
  const parts: Buffer[] = [];
  let rest = 0;
  for await (const part of body) {
    const left = message.lift(part);
    rest += left.reduce((sum, { length }) => sum + length, 0);
    if (rest > LONGEST_REST) throw tooLongARest();
    parts.push(...left);
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
