// One reader for all programs of a user: how the resident process lends it, and how the others read with it. A picture
// travels as its identity; its pixels are asked for only when no cache has what was read of it.
import type { CancellationToken, MessageConnection } from 'vscode-jsonrpc/node';
import * as z from 'zod';
import { AfterimageError } from '../errors.js';
import type { Service } from '../engine/remote/guest.js';
import { count, imagesCall, replyOf, wireImageOf } from '../engine/remote/messages.js';
import type { RemoteEngine } from '../engine/remote/remote-engine.js';
import { exchange } from '../engine/remote/wire.js';
import type { ImageInput } from '../image/rgb-image.js';
import type { Reader, Reading, ReadOptions } from './reading.js';

/** More characters with their places than fit one message. */
const MOST_CHARACTERS = 100_000;

const share = z.number();
const characterPlace = z.object({ text: z.string().max(16), from: share, to: share });
const corner = z.object({ x: z.number(), y: z.number() });
const readLine = z.object({
  text: z.string(),
  confidence: z.number().min(0).max(1),
  box: z.object({ x: z.int(), y: z.int(), width: count, height: count }),
  quad: z.tuple([corner, corner, corner, corner]).optional(),
  characters: z.array(characterPlace),
});

const reading = z
  .object({ width: count, height: count, lines: z.array(readLine), rows: z.array(z.array(count)) })
  .refine(
    ({ lines, rows }) => rows.every((row) => row.every((at) => at < lines.length)),
    'a row names a line that is not there',
  ) satisfies z.ZodType<Reading>;

const READ = exchange(
  'read',
  imagesCall.refine(({ images }) => images.length === 1, 'one picture is read at a time'),
  replyOf(reading),
);

/** What the resident process offers its guests beside the engine. The reader stays the caller's to close. */
export function readingService(reader: Reader): Service {
  return {
    exchange: READ,
    run: async ([image], signal, onProgress) => {
      const found = await reader.read(image!, {
        signal,
        onProgress: (done, total) =>
          onProgress({ stage: 'encode', done, ...(total !== undefined && { total }) }),
      });
      const characters = found.lines.reduce((sum, line) => sum + line.characters.length, 0);
      if (characters <= MOST_CHARACTERS) return found;
      throw new AfterimageError(
        'IMAGE_TOO_LARGE',
        `The picture has more than ${MOST_CHARACTERS} characters; read it in parts, or without --remote.`,
      );
    },
  };
}

/** The reader of `afterimage serve`. */
export class RemoteReader implements Reader {
  readonly #engine: RemoteEngine;

  /** @param engine The connection, which is this reader's own and closed with it. */
  constructor(engine: RemoteEngine) {
    this.#engine = engine;
  }

  /** The resident process loads what it needs. */
  async begin(): Promise<void> {}

  /** @throws AfterimageError what the resident reader threw; ENGINE_UNREACHABLE, ENGINE_INCOMPATIBLE, CLOSED */
  read(image: ImageInput, { signal, onProgress }: ReadOptions = {}): Promise<Reading> {
    const send = (connection: MessageConnection, call: number, token: CancellationToken): Promise<unknown> =>
      connection.sendRequest(READ.type, { call, images: [wireImageOf(image)] }, token);
    return this.#engine.call(
      { images: [image], onProgress: ({ done, total }) => onProgress?.(done, total) },
      signal ? [signal] : [],
      { send, answered: READ.answered },
    );
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}
