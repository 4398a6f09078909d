// The MCP App: a page that clients which can show one put beside a result. Only they hear of it: for all others lists and
// results are what they were. https://github.com/modelcontextprotocol/ext-apps, specification 2026-01-26.
import type {
  ListResourcesResult,
  ListToolsResult,
  McpServer,
  Result,
  ServerContext,
} from '@modelcontextprotocol/server';
import type { Reuse } from '../ask/looks.js';
import { capabilitiesOf } from './capabilities.js';
import { REUSE_META } from './meta-keys.js';
import { pageFile } from './page-files.js';

const APP_URI = 'ui://afterimage/look';
const APP_TYPE = 'text/html;profile=mcp-app';
const EXTENSION = 'io.modelcontextprotocol/ui';

/** It asks its host for everything, and shows pictures that it got as data. */
const APP_META = { ui: { csp: {}, prefersBorder: true } };

export function showsApps(server: McpServer, context: ServerContext): boolean {
  const said = capabilitiesOf(server, context)?.extensions?.[EXTENSION];
  const types = (said as { mimeTypes?: unknown } | undefined)?.mimeTypes;
  return Array.isArray(types) && types.includes(APP_TYPE);
}

/** What a result tells the app beside what it tells the model. */
export function appMeta(reuse: Reuse): Record<string, unknown> {
  return { [REUSE_META]: reuse };
}

/** Before anything else is registered, because it changes what the SDK's own lists say. */
export function registerApp(server: McpServer): void {
  listedFor<ListToolsResult>(server, 'tools/list', (list, shown) =>
    shown ? { ...list, tools: list.tools.map((tool) => ({ ...tool, _meta: TOOL_META })) } : list,
  );
  listedFor<ListResourcesResult>(server, 'resources/list', (list, shown) =>
    shown ? list : { ...list, resources: list.resources.filter(({ uri }) => uri !== APP_URI) },
  );
  server.registerResource(
    'look',
    APP_URI,
    {
      title: 'Look',
      description: 'The picture of a result with what was found in it.',
      mimeType: APP_TYPE,
      _meta: APP_META,
    },
    async () => ({
      contents: [
        { uri: APP_URI, mimeType: APP_TYPE, text: await pageFile('app.html', 'utf8'), _meta: APP_META },
      ],
    }),
  );
}

const TOOL_META = { ui: { resourceUri: APP_URI } };

type Handler = (request: unknown, context: ServerContext) => Result | Promise<Result>;

/** The SDK lists the same for every client; `told` makes of it what this one is told. */
function listedFor<R extends Result>(
  { server }: McpServer,
  listing: string,
  told: (list: R, shown: boolean) => R,
): void {
  const protocol = server as unknown as { setRequestHandler(method: string, handler: Handler): void };
  const set = protocol.setRequestHandler.bind(server);
  protocol.setRequestHandler = (method, handler) =>
    method === listing
      ? set(method, async (request, context) =>
          told((await handler(request, context)) as R, showsApps({ server } as McpServer, context)),
        )
      : set(method, handler);
}
