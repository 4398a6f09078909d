// The snippet that makes a client start Afterimage, in each client's own form.
export const CLIENTS = ['claude-desktop', 'claude-code', 'cursor', 'vscode', 'windsurf', 'goose'] as const;
export type ClientName = (typeof CLIENTS)[number];

export interface ClientConfigOptions {
  /** Default: npx, which needs no installation. */
  command?: string;
  /** Arguments before `mcp`. */
  args?: string[];
  /** Arguments after `mcp`. */
  flags?: string[];
}

export interface ClientConfig {
  /** Where the snippet belongs, as the client's documentation names it. */
  file: string;
  snippet: string;
}

interface Launch {
  command: string;
  args: string[];
}

export function clientConfig(client: ClientName, options: ClientConfigOptions = {}): ClientConfig {
  const launch = launchOf(options);
  switch (client) {
    case 'claude-desktop':
      return {
        file: 'claude_desktop_config.json (Settings > Developer > Edit Config)',
        snippet: json('mcpServers', launch),
      };
    case 'claude-code':
      return { file: '.mcp.json in the project folder', snippet: json('mcpServers', launch) };
    case 'cursor':
      return { file: '~/.cursor/mcp.json or .cursor/mcp.json', snippet: json('mcpServers', launch) };
    case 'windsurf':
      return { file: '~/.codeium/windsurf/mcp_config.json', snippet: json('mcpServers', launch) };
    case 'vscode':
      return { file: '.vscode/mcp.json', snippet: json('servers', { type: 'stdio', ...launch }) };
    case 'goose':
      return { file: '~/.config/goose/config.yaml', snippet: gooseYaml(launch) };
  }
}

function launchOf({ command, args, flags = [] }: ClientConfigOptions): Launch {
  const start = command ? (args ?? []) : ['-y', 'afterimage-mcp'];
  return { command: command ?? 'npx', args: [...start, 'mcp', ...flags] };
}

function json(key: string, server: object): string {
  return JSON.stringify({ [key]: { afterimage: server } }, null, 2);
}

/** A JSON string is a YAML double-quoted scalar, so no path needs other escaping. */
function gooseYaml({ command, args }: Launch): string {
  return [
    'extensions:',
    '  afterimage:',
    '    name: Afterimage',
    '    type: stdio',
    '    enabled: true',
    `    cmd: ${JSON.stringify(command)}`,
    '    args:',
    ...args.map((argument) => `      - ${JSON.stringify(argument)}`),
    '    timeout: 300',
  ].join('\n');
}
