// One client of a resident engine. Its sessions and calls end with its connection; nothing it says or leaves unsaid
// reaches the others.
import type { Socket } from 'node:net';
import type { CancellationToken, MessageConnection } from 'vscode-jsonrpc/node';
import type * as z from 'zod';
import { AfterimageError } from '../../errors.js';
import type { ImageInput } from '../../image/rgb-image.js';
import type { Message } from '../../prompt/message.js';
import { packageVersion } from '../../version.js';
import type { Answer, Engine, EngineStatus, Progress, Session } from '../engine.js';
import type { WireImage, WireMessage } from './messages.js';
import { owedPixels } from './owed-pixels.js';
import { Slots } from './slots.js';
import {
  ASK,
  CLOSE_SESSION,
  HELLO,
  PROGRESS,
  READY,
  TEXT,
  TREE,
  WARM,
  connectionOver,
  heard,
  toWire,
  type Exchange,
} from './wire.js';

export interface GuestLimits {
  /** Until a connection has said who it is. */
  greetingMs: number;
  /** For the pixels of one image, from the first request to the last byte. */
  pixelsMs: number;
  /** Calls at once, and sessions, of one client: far more than its own clients can use. */
  calls: number;
  sessions: number;
  /** Calls whose pixels are here or on their way: the others of this client wait, and their pixels with them. */
  landing: number;
}

export const GUEST_LIMITS: GuestLimits = {
  greetingMs: 5000,
  pixelsMs: 60_000,
  calls: 256,
  sessions: 1024,
  landing: 4,
};

/** Work on pictures that is lent beside the engine, under the same rules. */
export interface Service {
  exchange: Exchange<z.ZodType<{ call: number; images: WireImage[] }>, z.ZodType>;
  run(images: ImageInput[], signal: AbortSignal, onProgress: (progress: Progress) => void): Promise<unknown>;
}

/** For what was said last to reach a client that still reads. */
const LAST_WORDS_MS = 500;

export class Guest {
  readonly #engine: Engine;
  readonly #socket: Socket;
  readonly #limits: GuestLimits;

  readonly #connection: MessageConnection;
  readonly #sessions = new Map<string, Session>();
  readonly #running = new Set<AbortController>();
  readonly #landing: Slots;
  readonly #silence: NodeJS.Timeout;
  #greeted = false;
  #gone = false;

  constructor(
    engine: Engine,
    socket: Socket,
    limits: GuestLimits,
    onError: (error: Error) => void,
    services: readonly Service[] = [],
  ) {
    this.#engine = engine;
    this.#socket = socket;
    this.#limits = limits;

    this.#landing = new Slots(limits.landing);
    this.#silence = setTimeout(() => this.end(), limits.greetingMs);
    this.#connection = connectionOver(socket, () => this.#greeted);
    this.#connection.onError(([error]) => onError(error));
    this.#connection.onClose(() => this.#release());
    this.#connection.onRequest(HELLO.type, (said) => this.#greet(said));
    this.#connection.onRequest(READY.type, (said, token) =>
      this.#answer(READY.said, said, token, ({ call }) =>
        engine.ready((progress) => this.#progress(call, progress)),
      ),
    );
    this.#connection.onRequest(ASK.type, (said, token) =>
      this.#answer(ASK.said, said, token, (asked, signal) => this.#ask(asked, signal)),
    );
    this.#connection.onRequest(TREE.type, (said, token) =>
      this.#answer(TREE.said, said, token, () => engine.tree()),
    );
    this.#connection.onRequest(WARM.type, (said, token) =>
      this.#answer(WARM.said, said, token, async (asked, signal) => {
        await engine.warm(this.#inputs(asked, signal), signal);
        return null;
      }),
    );
    for (const { exchange, run } of services)
      this.#connection.onRequest(exchange.type, (said, token) =>
        this.#answer(exchange.said, said, token, (asked, signal) =>
          run(this.#inputs(asked, signal), signal, (progress) => this.#progress(asked.call, progress)),
        ),
      );
    this.#connection.onNotification(CLOSE_SESSION.type, (said) => this.#close(said));
    this.#connection.listen();
  }

  end(): void {
    this.#release();
    this.#socket.destroySoon();
    setTimeout(() => this.#socket.destroy(), LAST_WORDS_MS).unref();
  }

  #release(): void {
    this.#gone = true;
    clearTimeout(this.#silence);
    for (const running of this.#running) running.abort();
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
    // Rejects what waits for pixels.
    this.#connection.dispose();
  }

  #greet(said: unknown): { version: string } {
    const ours = packageVersion();
    try {
      this.#greeted = heard(HELLO.said, said).version === ours;
    } catch (error) {
      throw toWire(error);
    }
    if (this.#greeted) clearTimeout(this.#silence);
    return { version: ours };
  }

  async #answer<Said extends z.ZodType, T>(
    form: Said,
    said: unknown,
    token: CancellationToken,
    work: (said: z.output<Said>, signal: AbortSignal) => Promise<T>,
  ): Promise<{ result: T; status: EngineStatus }> {
    const running = new AbortController();
    try {
      if (!this.#greeted) throw stranger();
      if (this.#running.size >= this.#limits.calls) throw tooMany('calls', this.#limits.calls);
      this.#running.add(running);
      if (token.isCancellationRequested) running.abort();
      token.onCancellationRequested(() => running.abort());
      return { result: await work(heard(form, said), running.signal), status: this.#engine.status() };
    } catch (error) {
      throw toWire(error);
    } finally {
      this.#running.delete(running);
      // What the call held is let go, however it ended.
      running.abort();
    }
  }

  #ask(asked: z.output<typeof ASK.said>, signal: AbortSignal): Promise<Answer> {
    const { call, session, parent, messages, options } = asked;
    const inputs = this.#inputs(asked, signal);
    return this.#session(session, parent).ask(
      messages.map((message) => withImages(message, inputs)),
      {
        ...options,
        signal,
        onText: (text) => this.#tell(() => this.#connection.sendNotification(TEXT.type, { call, text })),
        onProgress: (progress) => this.#progress(call, progress),
      },
    );
  }

  #session(id: string, parent?: string): Session {
    let session = this.#sessions.get(id);
    if (!session) {
      if (this.#sessions.size >= this.#limits.sessions) throw tooMany('sessions', this.#limits.sessions);
      session =
        (parent === undefined ? undefined : this.#sessions.get(parent))?.fork() ?? this.#engine.open();
      this.#sessions.set(id, session);
    }
    return session;
  }

  #close(said: unknown): void {
    const named = CLOSE_SESSION.said.safeParse(said);
    if (!named.success) return;
    this.#sessions.get(named.data.session)?.close();
    this.#sessions.delete(named.data.session);
  }

  /** Their pixels are asked for when they are needed; the place they land in is kept until the call has ended. */
  #inputs({ call, images }: { call: number; images: WireImage[] }, signal: AbortSignal): ImageInput[] {
    let place: Promise<() => void> | undefined;
    const landed = async (): Promise<void> => {
      place ??= this.#landing.take().then((leave) => {
        if (signal.aborted) leave();
        signal.addEventListener('abort', leave, { once: true });
        return leave;
      });
      await place;
    };
    return images.map((image, index) => ({
      ...image,
      owed: true,
      pixels: async () => {
        await landed();
        return owedPixels(this.#connection, { ...image, call, index }, this.#limits.pixelsMs, signal);
      },
    }));
  }

  #progress(call: number, progress: Progress): void {
    this.#tell(() => this.#connection.sendNotification(PROGRESS.type, { call, progress }));
  }

  /** What the engine still says to a client that has gone is lost with it: its calls have been ended. */
  #tell(send: () => Promise<void>): void {
    if (this.#gone) return;
    // A connection lost while writing is reported by `onClose`.
    send().catch(() => {});
  }
}

function withImages({ role, content }: WireMessage, images: ImageInput[]): Message {
  return {
    role,
    content: content.map((part) =>
      part.type === 'text' ? part : { type: 'image', image: images[part.image]! },
    ),
  };
}

function stranger(): AfterimageError {
  return new AfterimageError(
    'ENGINE_INCOMPATIBLE',
    `This engine is of version ${packageVersion()} and speaks to programs of the same version that say so first; restart \`afterimage serve\`.`,
  );
}

function tooMany(what: string, most: number): AfterimageError {
  return new AfterimageError(
    'INVALID_ARGUMENT',
    `One program may have at most ${most} ${what} open; wait until some of them have ended.`,
  );
}
