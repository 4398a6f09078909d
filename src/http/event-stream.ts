// Server-sent events that begin late: what fails before there is anything to say is an ordinary response with its status.
import type { ServerResponse } from 'node:http';

/** Clients and proxies take a longer silence for a dead connection. */
const KEEP_ALIVE_MS = 10_000;

export class EventStream {
  readonly #response: ServerResponse;
  #timer: NodeJS.Timeout | undefined;

  constructor(response: ServerResponse, keepAliveMs = KEEP_ALIVE_MS) {
    this.#response = response;
    this.#timer = setInterval(() => this.#write(': waiting\n\n'), keepAliveMs).unref();
  }

  get begun(): boolean {
    return this.#response.headersSent;
  }

  send(event: unknown): void {
    this.#write(`data: ${JSON.stringify(event)}\n\n`);
  }

  /** Stops the clock; the response is still to be ended. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** With the mark that clients look for. */
  end(): void {
    this.stop();
    this.#write('data: [DONE]\n\n');
    this.#response.end();
  }

  #write(text: string): void {
    const response = this.#response;
    if (response.writableEnded || response.destroyed) return;
    if (!response.headersSent) {
      response.writeHead(200, {
        'Content-Type': 'text/event-stream; charset=utf-8',
        'Cache-Control': 'no-cache',
        'X-Accel-Buffering': 'no',
      });
    }
    response.write(text);
  }
}
