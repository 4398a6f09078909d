// The clients that can start Afterimage: where each keeps its servers, in which form, and how long it waits for a call.
import { homedir, platform } from 'node:os';
import { join } from 'node:path';

export const CLIENTS = [
  'claude-desktop',
  'claude-code',
  'cursor',
  'vscode',
  'windsurf',
  'goose',
  'codex',
  'gemini-cli',
  'zed',
  'lm-studio',
  'opencode',
  'cline',
  'llama-server',
] as const;
export type ClientName = (typeof CLIENTS)[number];

/** How the client starts the server. */
export interface Launch {
  command: string;
  args: string[];
  env?: Record<string, string>;
}

export interface Client {
  /** For people. */
  title: string;
  /** Absolute path of the file that holds its servers, on this machine. */
  file: string;
  format: 'json' | 'toml' | 'yaml';
  /** Keys that lead to the map of servers by name. */
  servers: string[];
  /** The entry of one server. */
  entry(launch: Launch, callMs: number): object;
  /** Milliseconds that the client waits for one call; a deadline below it lets an answer that is cut arrive. */
  callMs: number;
  /** A coding agent works in a folder of pictures of its own: the project's, and a browser's screenshots. */
  coding: boolean;
  /** Where pasted pictures land, allowed with --pasted. */
  pasted?: string;
}

/** What an answer needs on its way beyond the deadline. */
const MARGIN_MS = 10_000;
const SHORT_MARGIN_MS = 5000;

/** @returns the deadline to give the server, in milliseconds */
export function deadlineFor({ callMs }: Client): number {
  return callMs - (callMs > 30_000 ? MARGIN_MS : SHORT_MARGIN_MS);
}

const MINUTE = 60_000;
const STDIO = { type: 'stdio' };

/** @param home Default: the user's; a test has its own. */
export function client(name: ClientName, home = homedir()): Client {
  const settings = settingsFolder(home);
  const code = join(settings, 'Code', 'User');
  switch (name) {
    case 'claude-desktop':
      return json('Claude Desktop', join(settings, 'Claude', 'claude_desktop_config.json'), MINUTE);
    case 'claude-code':
      // Progress sets its clock back to five minutes.
      return {
        ...json('Claude Code', join(home, '.claude.json'), 5 * MINUTE, (launch) => ({ ...STDIO, ...launch })),
        coding: true,
        pasted: join(home, '.claude', 'image-cache'),
      };
    case 'cursor':
      return { ...json('Cursor', join(home, '.cursor', 'mcp.json'), MINUTE), coding: true };
    case 'vscode':
      return {
        ...json('VS Code', join(code, 'mcp.json'), MINUTE, (launch) => ({ ...STDIO, ...launch })),
        servers: ['servers'],
        coding: true,
      };
    case 'windsurf':
      return {
        ...json('Devin Desktop (Windsurf)', join(home, '.codeium', 'windsurf', 'mcp_config.json'), MINUTE),
        coding: true,
      };
    case 'goose':
      return {
        title: 'Goose',
        file: join(
          platform() === 'win32'
            ? join(settings, 'Block', 'goose', 'config')
            : join(home, '.config', 'goose'),
          'config.yaml',
        ),
        format: 'yaml',
        servers: ['extensions'],
        entry: ({ command, args, env }, callMs) => ({
          name: 'Afterimage',
          type: 'stdio',
          enabled: true,
          cmd: command,
          args,
          ...(env && { envs: env }),
          timeout: callMs / 1000,
        }),
        callMs: 5 * MINUTE,
        coding: true,
      };
    case 'codex':
      return {
        title: 'Codex',
        file: join(home, '.codex', 'config.toml'),
        format: 'toml',
        servers: ['mcp_servers'],
        entry: (launch, callMs) => ({ ...launch, startup_timeout_sec: 30, tool_timeout_sec: callMs / 1000 }),
        callMs: 2 * MINUTE,
        coding: true,
      };
    case 'gemini-cli':
      return {
        ...json('Gemini CLI', join(home, '.gemini', 'settings.json'), 5 * MINUTE, timeoutMs),
        coding: true,
      };
    case 'zed':
      return {
        ...json(
          'Zed',
          join(
            platform() === 'win32' ? join(settings, 'Zed') : join(home, '.config', 'zed'),
            'settings.json',
          ),
          MINUTE,
        ),
        servers: ['context_servers'],
        coding: true,
      };
    case 'lm-studio':
      return json('LM Studio', join(home, '.lmstudio', 'mcp.json'), MINUTE);
    case 'opencode':
      return {
        ...json('opencode', join(home, '.config', 'opencode', 'opencode.json'), 2 * MINUTE, opencodeEntry),
        servers: ['mcp'],
        coding: true,
      };
    case 'cline':
      return {
        ...json(
          'Cline',
          join(code, 'globalStorage', 'saoudrizwan.claude-dev', 'settings', 'cline_mcp_settings.json'),
          2 * MINUTE,
          (launch, callMs) => ({ ...launch, timeout: callMs / 1000 }),
        ),
        coding: true,
      };
    case 'llama-server':
      // Read with --mcp-servers-config FILE; the file may lie anywhere.
      return json(
        'llama-server',
        join(home, '.config', 'llama.cpp', 'mcp.json'),
        30_000,
        (launch, callMs) => ({
          ...launch,
          timeout_ms: callMs,
        }),
      );
  }
}

function json(
  title: string,
  file: string,
  callMs: number,
  entry: Client['entry'] = (launch) => launch,
): Client {
  return { title, file, format: 'json', servers: ['mcpServers'], entry, callMs, coding: false };
}

function timeoutMs(launch: Launch, callMs: number): object {
  return { ...launch, timeout: callMs };
}

function opencodeEntry({ command, args, env }: Launch, callMs: number): object {
  return {
    type: 'local',
    command: [command, ...args],
    enabled: true,
    ...(env && { environment: env }),
    timeout: callMs,
  };
}

/** Where desktop programs keep their settings. */
function settingsFolder(home: string): string {
  if (platform() === 'darwin') return join(home, 'Library', 'Application Support');
  if (platform() === 'win32') return process.env['APPDATA'] ?? join(home, 'AppData', 'Roaming');
  return process.env['XDG_CONFIG_HOME'] || join(home, '.config');
}
