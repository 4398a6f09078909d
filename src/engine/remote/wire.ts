// What a resident engine and its clients say to each other: JSON-RPC over a Unix domain socket. Images travel as their
// identity; their pixels are asked for, in pieces, only when no tier of the cache has what is needed.
import type { Socket } from 'node:net';
import {
  NotificationType,
  RequestType,
  ResponseError,
  SocketMessageWriter,
  createMessageConnection,
  type Logger,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import type * as z from 'zod';
import { AfterimageError } from '../../errors.js';
import { BoundedReader } from './frames.js';
import * as messages from './messages.js';

/** A request's name, and the form of what it says and of what comes back: unknown until it has been `heard`. */
export interface Exchange<Said extends z.ZodType, Answered extends z.ZodType> {
  type: RequestType<z.input<Said>, unknown, void>;
  said: Said;
  answered: Answered;
}

export function exchange<Said extends z.ZodType, Answered extends z.ZodType>(
  method: string,
  said: Said,
  answered: Answered,
): Exchange<Said, Answered> {
  return { type: new RequestType(method), said, answered };
}

interface Notice<Said extends z.ZodType> {
  type: NotificationType<z.input<Said>>;
  said: Said;
}

function notice<Said extends z.ZodType>(method: string, said: Said): Notice<Said> {
  return { type: new NotificationType(method), said };
}

/** The first thing a client says; nothing else is heard before. */
export const HELLO = exchange('hello', messages.hello, messages.hello);
export const READY = exchange('ready', messages.readyCall, messages.readyReply);
export const ASK = exchange('ask', messages.askCall, messages.answerReply);
export const TREE = exchange('tree', messages.readyCall, messages.treeReply);
export const WARM = exchange('warm', messages.imagesCall, messages.warmReply);
export const CLOSE_SESSION = notice('closeSession', messages.sessionName);

/** The other way round, while a call runs. */
export const PIXELS = exchange('pixels', messages.pixelPiece, messages.pixelBytes);
export const TEXT = notice('text', messages.saidText);
export const PROGRESS = notice('progress', messages.saidProgress);

/** Bytes of pixels in a message; a multiple of three, so that base64 needs no padding. */
export const PIECE_BYTES = 3 * 2 ** 18;

/** Bytes of a message, by whether the peers have greeted. The longest is a conversation that no context holds. */
const LONGEST_GREETING = 1024;
const LONGEST_MESSAGE = 16 * 2 ** 20;

const FAILED = -32000;
const SILENT: Logger = { error: () => {}, warn: () => {}, info: () => {}, log: () => {} };

/**
 * The caller registers its handlers, then calls `listen()`.
 * @param greeted Whether both sides have said who they are.
 */
export function connectionOver(socket: Socket, greeted: () => boolean = () => true): MessageConnection {
  const longest = (): number => (greeted() ? LONGEST_MESSAGE : LONGEST_GREETING);
  return createMessageConnection(new BoundedReader(socket, longest), new SocketMessageWriter(socket), SILENT);
}

/** @throws AfterimageError ENGINE_INCOMPATIBLE when a peer said something of another form. */
export function heard<T extends z.ZodType>(form: T, value: unknown): z.output<T> {
  const parsed = form.safeParse(value);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues as [z.core.$ZodIssue];
  throw new AfterimageError(
    'ENGINE_INCOMPATIBLE',
    `A message of the other program cannot be understood (${path.join('.') || 'as a whole'}: ${message}); let both be of one version.`,
  );
}

export function toWire(error: unknown): ResponseError<unknown> {
  const { message } = error as Error;
  const code = error instanceof AfterimageError ? error.code : undefined;
  return new ResponseError(FAILED, message, { code, name: (error as Error).name });
}

/** What the other side threw; errors of the connection itself pass through. */
export function fromWire(error: unknown): unknown {
  if (!(error instanceof ResponseError) || error.code !== FAILED) return error;
  const { code, name } = heard(messages.thrown, error.data);
  if (code) return new AfterimageError(code, error.message, { cause: error });
  const Kind = { TypeError, RangeError }[name] ?? Error;
  return new Kind(error.message, { cause: error });
}
