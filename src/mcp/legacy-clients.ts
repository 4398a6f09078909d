// 2025-era clients over HTTP: one server instance and one transport for each Mcp-Session-Id.
import { randomUUID } from 'node:crypto';
import {
  WebStandardStreamableHTTPServerTransport,
  type McpServerFactory,
} from '@modelcontextprotocol/server';
import { LONGEST_MESSAGE } from './app.js';

interface LegacyClient {
  transport: WebStandardStreamableHTTPServerTransport;
  close(): Promise<void>;
  lastUsed: number;
}

/** A client that has gone without a DELETE is let go after this. */
const IDLE_MS = 30 * 60_000;
const MOST_CLIENTS = 64;
/** What the transports answer to a session they do not know: the client then starts over. */
const NOT_FOUND = { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } };

export class LegacyClients {
  readonly #factory: McpServerFactory;
  readonly #onerror: (error: Error) => void;
  /** By Mcp-Session-Id, in order of last use. */
  readonly #clients = new Map<string, LegacyClient>();

  constructor(factory: McpServerFactory, onerror: (error: Error) => void) {
    this.#factory = factory;
    this.#onerror = onerror;
  }

  async fetch(request: Request): Promise<Response> {
    this.#letIdleGo();
    const id = request.headers.get('mcp-session-id');
    const known = id === null ? undefined : this.#clients.get(id);
    if (id !== null && !known) return Response.json(NOT_FOUND, { status: 404 });
    if (known && id !== null) {
      known.lastUsed = Date.now();
      this.#clients.delete(id);
      this.#clients.set(id, known);
    }
    return (known?.transport ?? (await this.#connect(request))).handleRequest(request);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
    this.#clients.clear();
  }

  /** A transport for a request without session: it answers all but `initialize` with an error of its own. */
  async #connect(request: Request): Promise<WebStandardStreamableHTTPServerTransport> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      maxRequestBodySize: LONGEST_MESSAGE,
      onsessioninitialized: (id) => {
        this.#clients.set(id, { transport, close: () => server.close(), lastUsed: Date.now() });
      },
      onsessionclosed: (id) => void this.#clients.delete(id),
    });
    const server = await this.#factory({ era: 'legacy', requestInfo: request });
    transport.onerror = this.#onerror;
    await server.connect(transport);
    return transport;
  }

  #letIdleGo(): void {
    for (const [id, client] of this.#clients) {
      if (client.lastUsed >= Date.now() - IDLE_MS && this.#clients.size <= MOST_CLIENTS) break;
      this.#clients.delete(id);
      client.close().catch(this.#onerror);
    }
  }
}
