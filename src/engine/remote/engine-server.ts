// Lends an engine to the programs of one user: every connection has sessions of its own, and all of them share one
// model and one cache.
import { createServer, type Server, type Socket } from 'node:net';
import type { CancellationToken, MessageConnection } from 'vscode-jsonrpc/node';
import { AfterimageError } from '../../errors.js';
import type { RgbImage } from '../../image/rgb-image.js';
import type { Answer, Engine, Progress, Session } from '../engine.js';
import type { ImageInput } from '../../image/rgb-image.js';
import type { Message } from '../../prompt/message.js';
import { packageVersion } from '../../version.js';
import { prepareSocket } from './socket-file.js';
import {
  ASK,
  CLOSE_SESSION,
  HELLO,
  PIECE_BYTES,
  PIXELS,
  PROGRESS,
  READY,
  TEXT,
  WARM,
  connectionOver,
  fromWire,
  toWire,
  type AskCall,
  type PixelPiece,
  type Reply,
  type WarmCall,
  type WireMessage,
} from './wire.js';

export interface EngineServer {
  /** Ends every connection and what was asked over it, and removes the socket. The engine stays open. */
  close(): Promise<void>;
}

/**
 * @param path Of the socket; only its owner may connect.
 * @param onError Hears what goes wrong between calls.
 * @throws AfterimageError IO_FAILED when the socket cannot be had.
 */
export async function serveEngine(
  engine: Engine,
  path: string,
  onError: (error: Error) => void = () => {},
): Promise<EngineServer> {
  await prepareSocket(path);
  const clients = new Set<Client>();
  const listener = createServer((socket) => {
    const client = new Client(engine, socket, onError);
    clients.add(client);
    socket.once('close', () => clients.delete(client));
  });
  await listen(listener, path);
  listener.on('error', onError);
  return {
    close: async () => {
      for (const client of clients) client.end();
      await new Promise((closed) => listener.close(closed));
    },
  };
}

function listen(listener: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => {
      const message = `Cannot listen on ${path}; choose another place with --socket FILE.`;
      reject(new AfterimageError('IO_FAILED', message, { cause }));
    };
    listener.once('error', failed);
    // The socket is made here and now, never open to others.
    const mask = process.umask(0o177);
    try {
      listener.listen(path, () => {
        listener.off('error', failed);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

/** One connection: its sessions end with it. */
class Client {
  private readonly connection: MessageConnection;
  private readonly sessions = new Map<string, Session>();
  private readonly running = new Set<AbortController>();
  private gone = false;

  constructor(
    private readonly engine: Engine,
    private readonly socket: Socket,
    onError: (error: Error) => void,
  ) {
    this.connection = connectionOver(socket);
    this.connection.onError(([error]) => onError(error));
    this.connection.onClose(() => this.release());
    this.connection.onRequest(HELLO, () => ({ version: packageVersion() }));
    this.connection.onRequest(READY, ({ call }) =>
      this.reply(() => engine.ready((progress) => this.progress(call, progress))),
    );
    this.connection.onRequest(ASK, (asked, token) => this.run(token, (signal) => this.ask(asked, signal)));
    this.connection.onRequest(WARM, (asked, token) => this.run(token, (signal) => this.warm(asked, signal)));
    this.connection.onNotification(CLOSE_SESSION, ({ session }) => {
      this.sessions.get(session)?.close();
      this.sessions.delete(session);
    });
    this.connection.listen();
  }

  end(): void {
    this.release();
    this.socket.destroySoon();
  }

  private release(): void {
    this.gone = true;
    for (const running of this.running) running.abort();
    for (const session of this.sessions.values()) session.close();
    this.sessions.clear();
    // Rejects what waits for pixels.
    this.connection.dispose();
  }

  private async run<T>(
    token: CancellationToken,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<Reply<T>> {
    const running = new AbortController();
    if (token.isCancellationRequested) running.abort();
    token.onCancellationRequested(() => running.abort());
    this.running.add(running);
    try {
      return await this.reply(() => work(running.signal));
    } finally {
      this.running.delete(running);
    }
  }

  private async reply<T>(work: () => Promise<T>): Promise<Reply<T>> {
    try {
      return { result: await work(), status: this.engine.status() };
    } catch (error) {
      throw toWire(error);
    }
  }

  private ask(
    { call, session, parent, images, messages, options }: AskCall,
    signal: AbortSignal,
  ): Promise<Answer> {
    const inputs = images.map((image, index) => this.input(call, image, index));
    return this.session(session, parent).ask(
      messages.map((message) => withImages(message, inputs)),
      {
        ...options,
        signal,
        onText: (text) => this.tell(() => this.connection.sendNotification(TEXT, { call, text })),
        onProgress: (progress) => this.progress(call, progress),
      },
    );
  }

  private async warm({ call, images }: WarmCall, signal: AbortSignal): Promise<null> {
    await this.engine.warm(
      images.map((image, index) => this.input(call, image, index)),
      signal,
    );
    return null;
  }

  private session(id: string, parent?: string): Session {
    let session = this.sessions.get(id);
    if (!session) {
      session = (parent === undefined ? undefined : this.sessions.get(parent))?.fork() ?? this.engine.open();
      this.sessions.set(id, session);
    }
    return session;
  }

  private input(call: number, image: Omit<ImageInput, 'pixels'>, index: number): ImageInput {
    return { ...image, pixels: () => this.pixels(call, image, index) };
  }

  private async pixels(
    call: number,
    { width, height }: Omit<ImageInput, 'pixels'>,
    image: number,
  ): Promise<RgbImage> {
    const data = Buffer.allocUnsafe(width * height * 3);
    for (let from = 0; from < data.length; from += PIECE_BYTES) {
      const piece = Buffer.from(await this.piece({ call, image, from }), 'base64');
      if (piece.length !== Math.min(PIECE_BYTES, data.length - from)) {
        throw new AfterimageError('IMAGE_UNREADABLE', 'The pixels of an image came incomplete; ask again.');
      }
      piece.copy(data, from);
    }
    return { width, height, data };
  }

  private async piece(wanted: PixelPiece): Promise<string> {
    try {
      return await this.connection.sendRequest(PIXELS, wanted);
    } catch (error) {
      throw fromWire(error);
    }
  }

  private progress(call: number, progress: Progress): void {
    this.tell(() => this.connection.sendNotification(PROGRESS, { call, progress }));
  }

  /** What the engine still says to a client that has gone is lost with it: its calls have been ended. */
  private tell(send: () => Promise<void>): void {
    if (this.gone) return;
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
