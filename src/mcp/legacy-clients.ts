// 2025-era clients over HTTP: one server instance and one transport for each Mcp-Session-Id. A client that has gone
// without a DELETE is let go once it has been idle; one with a call in flight never is.
import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import {
  WebStandardStreamableHTTPServerTransport,
  type McpServerFactory,
} from '@modelcontextprotocol/server';
import { LONGEST_REST } from './app.js';
import { watched } from './watched-response.js';

interface LegacyClient {
  transport: WebStandardStreamableHTTPServerTransport;
  close(): Promise<void>;
  lastUsed: number;
  /** Requests whose answer is not yet complete. */
  calls: number;
}

export interface LegacyLimits {
  idleMs: number;
  clients: number;
}

export const LEGACY_LIMITS: LegacyLimits = { idleMs: 30 * 60_000, clients: 64 };

/** What the transports answer to a session they do not know: the client then starts over. */
const NOT_FOUND = { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } };
const FULL = {
  jsonrpc: '2.0',
  id: null,
  error: { code: -32000, message: 'Every session is busy; end one of them, or try again later.' },
};
/** Said on the stream of a session that is let go. */
const FAREWELL = {
  jsonrpc: '2.0',
  method: 'notifications/message',
  params: {
    level: 'warning',
    logger: 'afterimage',
    data: 'This session has been idle and ends here; initialize again to go on.',
  },
} as const;

export class LegacyClients {
  readonly #factory: McpServerFactory;
  readonly #onerror: (error: Error) => void;
  readonly #limits: LegacyLimits;
  readonly #sweeper: NodeJS.Timeout;
  /** By Mcp-Session-Id, in order of last use. */
  readonly #clients = new Map<string, LegacyClient>();
  /** Requests that may yet become clients. */
  #connecting = 0;

  constructor(factory: McpServerFactory, onerror: (error: Error) => void, limits = LEGACY_LIMITS) {
    this.#factory = factory;
    this.#onerror = onerror;
    this.#limits = limits;
    this.#sweeper = setInterval(() => this.#letIdleGo(), limits.idleMs / 2).unref();
  }

  get size(): number {
    return this.#clients.size;
  }

  async fetch(request: Request): Promise<Response> {
    this.#letIdleGo();
    const id = request.headers.get('mcp-session-id');
    const known = id === null ? undefined : this.#clients.get(id);
    if (id !== null && !known) return Response.json(NOT_FOUND, { status: 404 });
    if (known && id !== null) return this.#ask(id, known, request);
    if (!this.#makeRoom()) return Response.json(FULL, { status: 503, headers: { 'Retry-After': '10' } });
    this.#connecting++;
    try {
      const transport = await this.#connect(request);
      // Making a server of one's own is a turn's work, and so is what the SDK does with the first message.
      await setImmediate();
      return await transport.handleRequest(request);
    } finally {
      this.#connecting--;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
    this.#clients.clear();
  }

  async #ask(id: string, client: LegacyClient, request: Request): Promise<Response> {
    const use = (): void => {
      client.lastUsed = Date.now();
      if (this.#clients.delete(id)) this.#clients.set(id, client);
    };
    use();
    // The stream on which a server speaks of its own accord stays open for good and is no call.
    if (request.method !== 'POST') return client.transport.handleRequest(request);
    client.calls++;
    return watched(client.transport.handleRequest(request), () => {
      client.calls--;
      use();
    });
  }

  /** A transport for a request without session: it answers all but `initialize` with an error of its own. */
  async #connect(request: Request): Promise<WebStandardStreamableHTTPServerTransport> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      maxRequestBodySize: LONGEST_REST,
      onsessioninitialized: (id) => {
        const close = () => server.close();
        this.#clients.set(id, { transport, close, lastUsed: Date.now(), calls: 0 });
      },
      onsessionclosed: (id) => void this.#clients.delete(id),
    });
    const server = await this.#factory({ era: 'legacy', requestInfo: request });
    transport.onerror = this.#onerror;
    await server.connect(transport);
    return transport;
  }

  #letIdleGo(): void {
    const oldest = Date.now() - this.#limits.idleMs;
    for (const [id, client] of this.#clients) {
      if (client.lastUsed >= oldest) break;
      if (client.calls === 0) this.#letGo(id, client);
    }
  }

  /** Lets the longest idle client go where there are as many as there may be; false when all of them are busy. */
  #makeRoom(): boolean {
    if (this.#clients.size + this.#connecting < this.#limits.clients) return true;
    const idle = [...this.#clients].find(([, { calls }]) => calls === 0);
    if (idle) this.#letGo(...idle);
    return idle !== undefined;
  }

  #letGo(id: string, client: LegacyClient): void {
    this.#clients.delete(id);
    client.transport
      .send(FAREWELL)
      .then(() => client.close())
      .catch(this.#onerror);
  }
}
