// Messages out of the bytes of a peer that nobody vouches for: a header of bounded length, a body no longer than was
// agreed, and nothing that waits. What breaks these rules ends the connection.
import type { Socket } from 'node:net';
import { AbstractMessageReader, type DataCallback, type Disposable, type Message } from 'vscode-jsonrpc/node';
import * as z from 'zod';

const HEADER_END = '\r\n\r\n';
/** "Content-Length: 16777216" and perhaps a content type. */
const LONGEST_HEADER = 256;
const LENGTH = /^content-length: *(\d{1,10}) *$/im;

/** JSON-RPC 2.0; what a message says is checked where it is understood. */
const envelope = z.looseObject({
  jsonrpc: z.literal('2.0'),
  id: z.union([z.string().max(64), z.int(), z.null()]).optional(),
  method: z.string().max(64).optional(),
  params: z.looseObject({}).optional(),
  error: z.looseObject({ code: z.int(), message: z.string() }).optional(),
});

export class BoundedReader extends AbstractMessageReader {
  readonly #socket: Socket;
  readonly #longest: () => number;

  #callback: DataCallback | undefined;
  #parts: Buffer[] = [];
  #held = 0;
  /** Of the body that is being read; undefined while its header is. */
  #length: number | undefined;

  /** @param longest Bytes a body may have, asked anew for each. */
  constructor(socket: Socket, longest: () => number) {
    super();
    this.#socket = socket;
    this.#longest = longest;
  }

  listen(callback: DataCallback): Disposable {
    this.#callback = callback;
    const onData = (data: Buffer): void => this.#take(data);
    this.#socket.on('data', onData);
    this.#socket.on('error', (error) => this.fireError(error));
    this.#socket.on('close', () => this.fireClose());
    return { dispose: () => void this.#socket.off('data', onData) };
  }

  override dispose(): void {
    this.#callback = undefined;
    this.#parts = [];
    super.dispose();
  }

  #take(data: Buffer): void {
    if (!this.#callback) return;
    this.#parts.push(data);
    this.#held += data.length;
    try {
      while (this.#length === undefined ? this.#readHeader() : this.#readBody());
    } catch (error) {
      this.#callback = undefined;
      this.#parts = [];
      this.fireError(error as Error);
      this.#socket.destroy();
    }
  }

  #readHeader(): boolean {
    if (this.#held === 0) return false;
    const bytes = this.#joined();
    const end = bytes.subarray(0, LONGEST_HEADER).indexOf(HEADER_END);
    if (end < 0 && bytes.length < LONGEST_HEADER) return false;
    const length = LENGTH.exec(bytes.toString('latin1', 0, Math.max(0, end)))?.[1];
    if (length === undefined) throw new Error('A message has no valid header.');
    if (Number(length) > this.#longest()) throw new Error(`A message announces ${length} bytes.`);
    this.#length = Number(length);
    this.#keep(bytes.subarray(end + HEADER_END.length));
    return true;
  }

  #readBody(): boolean {
    const length = this.#length!;
    if (this.#held < length) return false;
    const bytes = this.#joined();
    this.#length = undefined;
    this.#keep(bytes.subarray(length));
    this.#callback?.(envelope.parse(JSON.parse(bytes.toString('utf8', 0, length))) as Message);
    return true;
  }

  #joined(): Buffer {
    return this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts, this.#held);
  }

  #keep(rest: Buffer): void {
    this.#parts = rest.length > 0 ? [rest] : [];
    this.#held = rest.length;
  }
}
