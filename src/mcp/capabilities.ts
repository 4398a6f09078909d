// What a client says it can do, in both eras of the protocol.
import {
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';

/** With each request since 2026-07-28, before that when the client connected. */
export function capabilitiesOf(
  { server }: Pick<McpServer, 'server'>,
  { mcpReq }: ServerContext,
): ClientCapabilities | undefined {
  const envelope: Record<string, unknown> = mcpReq.envelope ?? {};
  const declared = envelope[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined;
  return declared ?? server.getClientCapabilities();
}
