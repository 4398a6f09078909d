// The engine of another process of the same user, kept resident by `afterimage serve`. A connection is made when it is
// needed and made again after the engine was restarted: every question carries the full conversation.
import { randomBytes } from 'node:crypto';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CancellationTokenSource,
  ConnectionError,
  ErrorCodes,
  ResponseError,
  type CancellationToken,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import type * as z from 'zod';
import { AfterimageError } from '../../errors.js';
import type {
  Answer,
  AskOptions,
  Engine,
  EngineStatus,
  KeptTree,
  ModelInfo,
  Progress,
  Session,
} from '../engine.js';
import type { ImageInput } from '../../image/rgb-image.js';
import type { Message } from '../../prompt/message.js';
import type { RgbImage } from '../../image/rgb-image.js';
import { packageVersion } from '../../version.js';
import { checkSocket, unreachable } from './socket-file.js';
import {
  ASK,
  CLOSE_SESSION,
  HELLO,
  PIECE_BYTES,
  PIXELS,
  PROGRESS,
  READY,
  TEXT,
  TREE,
  WARM,
  connectionOver,
  fromWire,
  heard,
  toWire,
} from './wire.js';
import { wireImageOf, type PixelPiece, type WireMessage } from './messages.js';

/** What the engine may ask and say about a call while it runs. */
interface Running {
  images: ImageInput[];
  /** Of the images whose pixels were asked for; a large one may be too large for any cache to keep decoded. */
  pixels?: Map<number, Promise<RgbImage>>;
  onText?: (text: string) => void;
  onProgress?: (progress: Progress) => void;
}

interface Reply<T> {
  result: T;
  status: EngineStatus;
}

/** One call: what is sent, and the form of what must come back. */
interface Sent<T> {
  send(connection: MessageConnection, call: number, token: CancellationToken): Promise<unknown>;
  answered: z.ZodType<Reply<T>>;
}

const GREETING_MS = 5000;
/** For what is being answered when the engine is closed; its sessions end with the connection anyway. */
const LAST_ANSWERS_MS = 1000;

const IDLE: EngineStatus = { model: null, state: 'idle', sessions: 0, cache: {} };

export class RemoteEngine implements Engine {
  readonly #path: string;

  #connecting: Promise<MessageConnection> | undefined;
  #socket: Socket | undefined;
  #known: EngineStatus = IDLE;
  #closed = false;
  #calls = 0;
  readonly #running = new Map<number, Running>();
  readonly #finishing = new Set<Promise<unknown>>();
  readonly #sessions = new Set<RemoteSession>();

  /** @param path Of the socket. Nothing is connected before the first call. */
  constructor(path: string) {
    this.#path = path;
  }

  async ready(onProgress?: (progress: Progress) => void): Promise<ModelInfo> {
    return this.call({ images: [], onProgress }, [], {
      send: (connection, call) => connection.sendRequest(READY.type, { call }),
      answered: READY.answered,
    });
  }

  open(parent?: RemoteSession): Session {
    if (this.#closed) throw closedError();
    const session: RemoteSession = new RemoteSession(this, (closed) => this.#sessions.delete(closed), parent);
    this.#sessions.add(session);
    return session;
  }

  async warm(images: ImageInput[], signal?: AbortSignal): Promise<void> {
    await this.call({ images }, signal ? [signal] : [], {
      send: (connection, call, token) =>
        connection.sendRequest(WARM.type, { call, images: images.map(wireImageOf) }, token),
      answered: WARM.answered,
    });
  }

  /** As of the last answer. */
  status(): EngineStatus {
    return this.#closed ? { ...this.#known, state: 'closed' } : this.#known;
  }

  /** Nothing is connected for it. */
  async tree(): Promise<KeptTree | null> {
    if (this.#closed || this.#known.state !== 'ready') return null;
    return this.call({ images: [] }, [], {
      send: (connection, call) => connection.sendRequest(TREE.type, { call }),
      answered: TREE.answered,
    });
  }

  /** Ends this program's sessions, not the engine. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const session of [...this.#sessions]) session.close();
    const greeted = this.#connecting?.catch(() => undefined);
    await Promise.race([
      Promise.all([...this.#finishing, greeted]),
      sleep(LAST_ANSWERS_MS, undefined, { ref: false }),
    ]);
    this.#socket?.destroy();
    (await greeted)?.dispose();
  }

  /**
   * One call from its request to its answer.
   * @throws AfterimageError what the engine threw; ENGINE_UNREACHABLE, ENGINE_INCOMPATIBLE, CLOSED
   */
  call<T>(running: Running, signals: AbortSignal[], sent: Sent<T>): Promise<T> {
    const finished = this.#finish(running, signals, sent);
    const settled = finished.catch(() => {});
    this.#finishing.add(settled);
    void settled.finally(() => this.#finishing.delete(settled));
    return finished;
  }

  /** Says so to the engine if it is there; it forgets the sessions of a lost connection by itself. */
  forget(session: string): void {
    void this.#connecting
      ?.then((connection) => connection.sendNotification(CLOSE_SESSION.type, { session }))
      .catch(() => {});
  }

  async #finish<T>(running: Running, signals: AbortSignal[], sent: Sent<T>): Promise<T> {
    if (this.#closed) throw closedError();
    const call = this.#calls++;
    const cancel = new CancellationTokenSource();
    const abort = (): void => cancel.cancel();
    for (const signal of signals) {
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
    }
    this.#running.set(call, running);
    try {
      const said = await sent.send(await this.#connection(), call, cancel.token);
      const { result, status } = heard(sent.answered, said);
      this.#known = status;
      return result;
    } catch (error) {
      if (!isLost(error)) throw fromWire(error);
      throw this.#closed ? closedError() : unreachable(this.#path, error);
    } finally {
      this.#running.delete(call);
      for (const signal of signals) signal.removeEventListener('abort', abort);
      cancel.dispose();
    }
  }

  #connection(): Promise<MessageConnection> {
    this.#connecting ??= this.#connect().catch((error: unknown) => {
      this.#connecting = undefined;
      throw error;
    });
    return this.#connecting;
  }

  async #connect(): Promise<MessageConnection> {
    checkSocket(this.#path);
    const socket = createConnection(this.#path);
    await new Promise<void>((connected, refused) => {
      socket.once('connect', connected);
      socket.once('error', (cause) => refused(unreachable(this.#path, cause)));
    });
    this.#socket = socket;
    let greeted = false;
    const connection = connectionOver(socket, () => greeted);
    const lost = (): void => {
      this.#connecting = undefined;
      this.#known = IDLE;
      socket.destroy();
      // Rejects what waits for an answer.
      connection.dispose();
    };
    connection.onClose(lost);
    connection.onError(lost);
    connection.onNotification(TEXT.type, (said) => this.#hear(said));
    connection.onNotification(PROGRESS.type, (said) => this.#watch(said));
    connection.onRequest(PIXELS.type, (said) =>
      this.#pixels(said).catch((error: unknown) => Promise.reject(toWire(error))),
    );
    connection.listen();
    try {
      await this.#greet(connection, () => (greeted = true));
    } catch (error) {
      lost();
      throw error;
    }
    return connection;
  }

  async #greet(connection: MessageConnection, accept: () => void): Promise<void> {
    const ours = packageVersion();
    const silence = setTimeout(() => connection.dispose(), GREETING_MS);
    const answer = await connection
      .sendRequest(HELLO.type, { version: ours })
      .finally(() => clearTimeout(silence));
    const { version } = heard(HELLO.answered, answer);
    if (version === ours) return accept();
    throw new AfterimageError(
      'ENGINE_INCOMPATIBLE',
      `The engine on ${this.#path} is of version ${version} but this program of ${ours}; restart \`afterimage serve\`.`,
    );
  }

  /** What is said in another form, or about a call that has ended, is not heard. */
  #hear(said: unknown): void {
    const { success, data } = TEXT.said.safeParse(said);
    if (success) this.#running.get(data.call)?.onText?.(data.text);
  }

  #watch(said: unknown): void {
    const { success, data } = PROGRESS.said.safeParse(said);
    if (success) this.#running.get(data.call)?.onProgress?.(data.progress);
  }

  async #pixels(said: unknown): Promise<string> {
    const { call, image, from }: PixelPiece = heard(PIXELS.said, said);
    const running = this.#running.get(call);
    if (!running) throw new AfterimageError('CANCELLED', 'The question that needed these pixels has ended.');
    const wanted = running.images[image];
    if (!wanted) throw new AfterimageError('INVALID_ARGUMENT', `The question has no image ${image}.`);
    running.pixels ??= new Map();
    let decoded = running.pixels.get(image);
    if (!decoded) running.pixels.set(image, (decoded = wanted.pixels()));
    const { data } = await decoded;
    if (from + PIECE_BYTES >= data.length) running.pixels.delete(image);
    const { buffer, byteOffset, length } = data.subarray(from, from + PIECE_BYTES);
    return Buffer.from(buffer, byteOffset, length).toString('base64');
  }
}

class RemoteSession implements Session {
  readonly #engine: RemoteEngine;
  readonly #onClose: (session: RemoteSession) => void;
  readonly #parent: RemoteSession | undefined;

  readonly id = randomBytes(16).toString('hex');
  #closed = false;
  readonly #closing = new AbortController();

  constructor(engine: RemoteEngine, onClose: (session: RemoteSession) => void, parent?: RemoteSession) {
    this.#engine = engine;
    this.#onClose = onClose;
    this.#parent = parent;
  }

  async ask(messages: Message[], options: AskOptions = {}): Promise<Answer> {
    if (this.#closed) throw new AfterimageError('CLOSED', 'This session is closed; open a new one.');
    const { signal, onText, onThought: _thoughts, onProgress, ...rest } = options;
    const images: ImageInput[] = [];
    const said = messages.map((message) => withoutPixels(message, images));
    const stop = signal ? [signal, this.#closing.signal] : [this.#closing.signal];
    const asked = {
      session: this.id,
      parent: this.#parent?.id,
      images: images.map(wireImageOf),
      messages: said,
      options: rest,
    };
    return this.#engine.call({ images, onText, onProgress }, stop, {
      send: (connection, call, token) => connection.sendRequest(ASK.type, { call, ...asked }, token),
      answered: ASK.answered,
    });
  }

  fork(): Session {
    if (this.#closed) throw new AfterimageError('CLOSED', 'This session is closed; open a new one.');
    return this.#engine.open(this);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closing.abort();
    this.#engine.forget(this.id);
    this.#onClose(this);
  }
}

/** The message with each image as its place in `images`, to which it is added. */
function withoutPixels({ role, content }: Message, images: ImageInput[]): WireMessage {
  return {
    role,
    content: content.map((part) =>
      part.type === 'text' ? part : { type: 'image', image: images.push(part.image) - 1 },
    ),
  };
}

/** The connection ended before the answer came. */
function isLost(error: unknown): boolean {
  return (
    error instanceof ConnectionError ||
    (error instanceof ResponseError &&
      (error.code === ErrorCodes.PendingResponseRejected || error.code === ErrorCodes.MessageWriteError))
  );
}

function closedError(): AfterimageError {
  return new AfterimageError('CLOSED', 'The engine is closed.');
}
