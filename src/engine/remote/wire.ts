// What a resident engine and its clients say to each other: JSON-RPC over a Unix domain socket. Images travel as their
// identity; their pixels are asked for, in pieces, only when no tier of the cache has what is needed.
import {
  NotificationType,
  RequestType,
  ResponseError,
  SocketMessageReader,
  SocketMessageWriter,
  createMessageConnection,
  type Logger,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import type { Socket } from 'node:net';
import { AfterimageError, type ErrorCode } from '../../errors.js';
import type { Answer, AskOptions, EngineStatus, ModelInfo, Progress } from '../engine.js';
import type { ContentPart, Message } from '../../prompt/message.js';
import type { ImageInput } from '../../image/rgb-image.js';

type WireImage = Omit<ImageInput, 'pixels'>;
/** An image is its place in the call's list. */
type WirePart = Exclude<ContentPart, { type: 'image' }> | { type: 'image'; image: number };

export interface WireMessage {
  role: Message['role'];
  content: WirePart[];
}

/** Chosen by the client; names the call in what is said about it while it runs. */
interface Call {
  call: number;
}

export interface AskCall extends Call {
  session: string;
  /** A session that is not known yet begins as a fork of this one, where that is known. */
  parent?: string;
  images: WireImage[];
  messages: WireMessage[];
  options: Omit<AskOptions, 'signal' | 'onText' | 'onProgress'>;
}

export interface WarmCall extends Call {
  images: WireImage[];
}

export interface PixelPiece extends Call {
  image: number;
  /** First byte of the RGB data. */
  from: number;
}

/** Every answer brings the engine's status along, so that a client has a recent one at hand. */
export interface Reply<T> {
  result: T;
  status: EngineStatus;
}

export const HELLO = new RequestType<{ version: string }, { version: string }, void>('hello');
export const READY = new RequestType<Call, Reply<ModelInfo>, void>('ready');
export const ASK = new RequestType<AskCall, Reply<Answer>, void>('ask');
export const WARM = new RequestType<WarmCall, Reply<null>, void>('warm');
export const CLOSE_SESSION = new NotificationType<{ session: string }>('closeSession');

/** The other way round, while a call runs. */
export const PIXELS = new RequestType<PixelPiece, string, void>('pixels');
export const TEXT = new NotificationType<Call & { text: string }>('text');
export const PROGRESS = new NotificationType<Call & { progress: Progress }>('progress');

/** Bytes of pixels in a message; a multiple of three, so that base64 needs no padding. */
export const PIECE_BYTES = 3 * 2 ** 20;

const FAILED = -32000;
const SILENT: Logger = { error: () => {}, warn: () => {}, info: () => {}, log: () => {} };

/** The caller registers its handlers, then calls `listen()`. */
export function connectionOver(socket: Socket): MessageConnection {
  return createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket), SILENT);
}

export function toWire(error: unknown): ResponseError<unknown> {
  const { message } = error as Error;
  const code = error instanceof AfterimageError ? error.code : undefined;
  return new ResponseError(FAILED, message, { code, name: (error as Error).name });
}

/** What the other side threw; errors of the connection itself pass through. */
export function fromWire(error: unknown): unknown {
  if (!(error instanceof ResponseError) || error.code !== FAILED) return error;
  const { code, name } = error.data as { code?: ErrorCode; name: string };
  if (code) return new AfterimageError(code, error.message, { cause: error });
  const Kind = { TypeError, RangeError }[name] ?? Error;
  return new Kind(error.message, { cause: error });
}
