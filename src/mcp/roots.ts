// The client's roots as allowed folders. Asked for only when a path was refused, so nobody waits for them otherwise.
import { realpath, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parse, relative } from 'node:path';
import {
  inputRequired,
  inputResponse,
  type InputRequiredResult,
  type McpServer,
  type Root,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { capabilitiesOf } from './capabilities.js';
import type { Log } from './log.js';

const KEY = 'roots';
/** Roots are a convenience: a client that does not answer must not hold up the call. */
const PATIENCE_MS = 3000;

/** Folders of the roots that came with a repeated request (2026-07-28), or undefined when they have not been asked for. */
export async function answeredRoots(context: ServerContext): Promise<string[] | undefined> {
  const response = inputResponse(context.mcpReq.inputResponses, KEY);
  if (response.kind === 'roots') return toFolders(response.roots);
  return context.mcpReq.inputResponses === undefined ? undefined : [];
}

export function declaresRoots(server: McpServer, context: ServerContext): boolean {
  return capabilitiesOf(server, context)?.roots !== undefined;
}

/** The result by which a 2026-07-28 server asks: the client answers by repeating its request. */
export function askForRoots(): InputRequiredResult {
  return inputRequired({ inputRequests: { [KEY]: inputRequired.listRoots() } });
}

/** Asks a 2025-era client directly, on the stream of its call: over HTTP it may have no other one open. */
export async function requestRoots({ mcpReq }: ServerContext, log: Log): Promise<string[]> {
  try {
    const { roots } = await mcpReq.send({ method: 'roots/list' }, { timeout: PATIENCE_MS });
    return await toFolders(roots);
  } catch (error) {
    log.warn({ error: (error as Error).name }, 'the client declares roots but did not list them');
    return [];
  }
}

/** Local folders only, by where they really are, and never the whole disk however it is spelled. */
async function toFolders(roots: Root[]): Promise<string[]> {
  const found = await Promise.all(
    roots.map(async ({ uri }) => {
      try {
        const folder = await realpath(fileURLToPath(uri));
        return (await isWholeDisk(folder)) ? [] : [folder];
      } catch {
        // Not local, or not there: it allows nothing.
        return [];
      }
    }),
  );
  return found.flat();
}

/** On macOS everything that is no part of the system lies here as well. */
const DATA_VOLUME = '/System/Volumes/Data';

/** By its name, or as the same folder mounted elsewhere. @param folder A real path. */
async function isWholeDisk(folder: string): Promise<boolean> {
  const { root } = parse(folder);
  if (relative(root, folder) === '' || folder === DATA_VOLUME) return true;
  const [whole, named] = await Promise.all([root, folder].map((path) => stat(path, { bigint: true })));
  return whole!.dev === named!.dev && whole!.ino === named!.ino;
}
