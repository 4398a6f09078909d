// The two client libraries over both transports behind one face, each talking to a spawned server.
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernHttp,
} from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as LegacyStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as LegacyHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { ended } from '../ended.js';
import type { ServeSettings } from './serve.js';
import { scratchFolder } from '../scratch-folder.js';
import { built, script } from '../built.js';

export const KINDS = ['v2 stdio', 'v2 http', 'sdk stdio', 'sdk http'] as const;
export type Kind = (typeof KINDS)[number];

const IDENTITY = { name: 'afterimage-tests', version: '1.0.0' };
const SERVE = script(import.meta.url, './serve.ts');
const MAIN = built();
export const ROOT = new URL('../..', import.meta.url).pathname;

/** JSON from the other side as tests read it: what is missing makes an assertion fail. */
export type Json = ReturnType<typeof JSON.parse>;

export interface Step {
  progress: number;
  total?: number;
  message?: string;
}

export interface CallOptions {
  signal?: AbortSignal;
  onProgress?: (step: Step) => void;
  timeoutMs?: number;
}

/** A tool result as tests look at it. */
export interface Outcome {
  isError: boolean;
  code: string | undefined;
  text: string;
  structured: Record<string, Json>;
  content: Record<string, Json>[];
}

export interface TestClient {
  protocol: string | undefined;
  tools(): Promise<Record<string, Json>[]>;
  /** With all details, unless the arguments say otherwise. */
  call(name: string, args: Record<string, unknown>, options?: CallOptions): Promise<Outcome>;
  raw: ModernClient | LegacyClient;
  close(): Promise<void>;
}

export interface HttpServer {
  url: string;
  token: string;
  tokenFile: string;
  stop(): Promise<void>;
}

/** What to start: a server with the scripted engine, or the command line as users start it. */
export type Launch = ServeSettings | string[];

export function serveArguments(transport: 'stdio' | 'http', launch: Launch): string[] {
  if (!Array.isArray(launch)) return [...SERVE, transport, JSON.stringify(launch)];
  return [MAIN, 'mcp', ...launch, ...(transport === 'http' ? ['--http', '0'] : [])];
}

export async function startHttp(launch: Launch): Promise<HttpServer> {
  const home = scratchFolder('config');
  const own = Array.isArray(launch) ? undefined : launch.tokenFile;
  const tokenFile = own ?? join(home, 'afterimage', 'token');
  const child = spawn(
    process.execPath,
    serveArguments('http', Array.isArray(launch) ? launch : { ...launch, tokenFile }),
    {
      cwd: ROOT,
      env: { ...process.env, XDG_CONFIG_HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const url = await announced(child);
  return { url, tokenFile, token: readFileSync(tokenFile, 'utf8').trim(), stop: () => stop(child) };
}

/** The address that the server prints to stderr. */
async function announced(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stderr! })) {
    const url = /http:\/\/127\.0\.0\.1:\d+\/mcp/.exec(line)?.[0];
    if (url) return url;
  }
  throw new Error('The server ended before it said where it listens.');
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  await ended(child);
}

/**
 * One client of the given kind: over stdio with a server of its own, over HTTP with the one that is given.
 * @param roots Folders that the client declares as its roots.
 * @param more What else it says it can do.
 */
export async function connect(
  kind: Kind,
  launch: Launch,
  http?: HttpServer,
  roots?: string[],
  more: object = {},
): Promise<TestClient> {
  const env = process.env as Record<string, string>;
  const stdio = {
    command: process.execPath,
    args: serveArguments('stdio', launch),
    cwd: ROOT,
    env,
    stderr: 'ignore' as const,
  };
  const headers = { requestInit: { headers: { Authorization: `Bearer ${http?.token}` } } };
  const capabilities = { ...(roots && { roots: {} }), ...more };
  const listed = () => ({ roots: (roots ?? []).map((folder) => ({ uri: `file://${folder}` })) });
  if (kind.startsWith('v2')) {
    const client = new ModernClient(IDENTITY, { capabilities, versionNegotiation: { mode: 'auto' } });
    if (roots) client.setRequestHandler('roots/list', listed);
    await client.connect(
      kind === 'v2 stdio' ? new ModernStdio(stdio) : new ModernHttp(new URL(http!.url), headers),
    );
    return face(
      client,
      client.getNegotiatedProtocolVersion(),
      async (params, { signal, onProgress, timeoutMs }) =>
        client.callTool(params, { signal, onprogress: onProgress, timeout: timeoutMs }),
    );
  }
  const client = new LegacyClient(IDENTITY, { capabilities });
  if (roots) client.setRequestHandler(ListRootsRequestSchema, listed);
  await client.connect(
    kind === 'sdk stdio' ? new LegacyStdio(stdio) : new LegacyHttp(new URL(http!.url), headers),
  );
  return face(client, '2025-11-25', async (params, { signal, onProgress, timeoutMs }) =>
    client.callTool(params, undefined, { signal, onprogress: onProgress, timeout: timeoutMs }),
  );
}

type RawCall = (
  params: { name: string; arguments: Record<string, unknown> },
  options: CallOptions,
) => Promise<Record<string, Json>>;

function face(raw: ModernClient | LegacyClient, protocol: string | undefined, call: RawCall): TestClient {
  return {
    raw,
    protocol,
    tools: async () => (await raw.listTools()).tools,
    call: async (name, args, options = {}) =>
      outcome(await call({ name, arguments: { verbose: true, ...args } }, options)),
    close: () => raw.close(),
  };
}

export function outcome(result: Record<string, Json>): Outcome {
  return {
    isError: result['isError'] === true,
    code: result['_meta']?.['afterimage-mcp/error']?.code,
    text: (result['content'] ?? [])
      .flatMap((part: Record<string, Json>) => (part['type'] === 'text' ? [part['text']] : []))
      .join('\n'),
    structured: result['structuredContent'] ?? {},
    content: result['content'] ?? [],
  };
}
