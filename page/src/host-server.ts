// The client that shows the page beside a result, as the page's server: JSON-RPC over postMessage, as MCP Apps have it.
// Written out, because ext-apps' own App class brings half a megabyte of the SDK for these few messages; its AppBridge is
// what the tests talk to. https://github.com/modelcontextprotocol/ext-apps, specification 2026-01-26.
import type {
  McpUiHostContext,
  McpUiInitializeRequest,
  McpUiInitializeResult,
  McpUiToolInputNotification,
  McpUiToolResultNotification,
} from '@modelcontextprotocol/ext-apps';
import { ERROR_META, REUSE_META } from '../../src/mcp/meta-keys.js';
import {
  Refusal,
  type CallOptions,
  type Outcome,
  type Server,
  type Structured,
  type ToolName,
} from './server.js';

const PROTOCOL = '2026-01-26';

type ToolInput = McpUiToolInputNotification['params'];
type ToolResult = McpUiToolResultNotification['params'];

export interface HostEvents {
  input(args: NonNullable<ToolInput['arguments']>): void;
  result(outcome: Outcome): void;
  failed(message: string): void;
  context(context: McpUiHostContext): void;
}

interface Message {
  id?: number | string;
  method?: string;
  params?: unknown;
  result?: unknown;
  error?: { code?: number; message: string };
}

export class HostServer implements Server {
  readonly #events: HostEvents;
  readonly #waiting = new Map<number, { resolve(result: never): void; reject(error: Error): void }>();
  /** Known once it has answered. */
  #origin = '*';
  #count = 0;
  #can: McpUiInitializeResult['hostCapabilities'] = {};

  private constructor(events: HostEvents) {
    this.#events = events;
    addEventListener('message', ({ source, data, origin }: MessageEvent<Message>) => {
      // Other frames may speak to this one; only the host is heard.
      if (source === window.parent && typeof data === 'object' && data !== null) this.#hear(data, origin);
    });
  }

  static async connect(events: HostEvents): Promise<HostServer> {
    const host = new HostServer(events);
    const params: McpUiInitializeRequest['params'] = {
      appInfo: { name: 'afterimage', version: '1' },
      appCapabilities: { availableDisplayModes: ['inline', 'fullscreen'] },
      protocolVersion: PROTOCOL,
    };
    const { hostCapabilities, hostContext } = await host.#ask<McpUiInitializeResult>('ui/initialize', params);
    host.#can = hostCapabilities;
    events.context(hostContext);
    host.#say({ method: 'ui/notifications/initialized', params: {} });
    host.#tellSize();
    return host;
  }

  async call(name: ToolName, args: Record<string, unknown>, { signal }: CallOptions = {}): Promise<Outcome> {
    if (!this.#can.serverTools) throw new Refusal('UNSUPPORTED', 'This client lets its apps call no tools.');
    const answered = this.#ask<ToolResult>('tools/call', { name, arguments: args }, signal);
    return outcomeOf(await answered);
  }

  async picture(imageId: string, side: number): Promise<string> {
    if (!this.#can.serverResources)
      throw new Refusal('UNSUPPORTED', 'This client shows its apps no pictures.');
    const uri = `afterimage://image/${imageId}?side=${side}`;
    const { contents } = await this.#ask<{ contents: { mimeType?: string; blob?: string }[] }>(
      'resources/read',
      { uri },
    );
    const [content] = contents;
    if (!content?.blob)
      throw new Refusal('UNKNOWN_IMAGE', 'The picture is not known to the server any more.');
    return `data:${content.mimeType ?? 'image/webp'};base64,${content.blob}`;
  }

  #ask<T>(method: string, params: unknown, signal?: AbortSignal): Promise<T> {
    const id = ++this.#count;
    const cancel = (): void => {
      this.#say({ method: 'notifications/cancelled', params: { requestId: id } });
      this.#waiting.get(id)?.reject(new DOMException('Cancelled', 'AbortError'));
      this.#waiting.delete(id);
    };
    signal?.addEventListener('abort', cancel, { once: true });
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#say({ id, method, params });
    }).finally(() => signal?.removeEventListener('abort', cancel));
  }

  #say(message: Message): void {
    window.parent.postMessage({ jsonrpc: '2.0', ...message }, this.#origin);
  }

  #hear({ id, method, params, result, error }: Message, origin: string): void {
    if (method !== undefined) return this.#told(method, params, id);
    const asked = typeof id === 'number' ? this.#waiting.get(id) : undefined;
    if (!asked) return;
    // An opaque origin cannot be named.
    if (this.#origin === '*' && origin !== 'null' && origin !== '') this.#origin = origin;
    this.#waiting.delete(id as number);
    if (error) asked.reject(new Refusal('REFUSED', error.message));
    else asked.resolve(result as never);
  }

  #told(method: string, params: unknown, id: Message['id']): void {
    if (id !== undefined) {
      const known = method === 'ping' || method === 'ui/resource-teardown';
      return this.#say(known ? { id, result: {} } : { id, error: UNKNOWN_METHOD });
    }
    if (method === 'ui/notifications/tool-input') this.#events.input((params as ToolInput).arguments ?? {});
    else if (method === 'ui/notifications/tool-result') this.#show(params as ToolResult);
    else if (method === 'ui/notifications/tool-cancelled') this.#events.failed('The call was cancelled.');
    else if (method === 'ui/notifications/host-context-changed')
      this.#events.context(params as McpUiHostContext);
  }

  #show(result: ToolResult): void {
    try {
      this.#events.result(outcomeOf(result));
    } catch (error) {
      this.#events.failed((error as Error).message);
    }
  }

  /** Hosts give a frame the height that it asks for. */
  #tellSize(): void {
    const { body } = document;
    const tell = (): void => {
      const { width, height } = body.getBoundingClientRect();
      this.#say({
        method: 'ui/notifications/size-changed',
        params: { width: Math.ceil(width), height: Math.ceil(height) },
      });
    };
    new ResizeObserver(tell).observe(body);
  }
}

const UNKNOWN_METHOD = { code: -32601, message: 'Method not found' };

/** @throws Refusal */
function outcomeOf({ structuredContent, isError, content, _meta }: ToolResult): Outcome {
  if (!isError && structuredContent)
    return {
      structured: structuredContent as unknown as Structured,
      reuse: _meta?.[REUSE_META] as Outcome['reuse'],
    };
  const { code = 'REFUSED' } = (_meta?.[ERROR_META] ?? {}) as { code?: string };
  const said = content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
  throw new Refusal(code, said.replace(`${code}: `, '') || 'The tool failed.');
}
