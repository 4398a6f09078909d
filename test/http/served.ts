// `afterimage serve --http`, with the bundled model unless another is named, in a process of its own, for tests that kill it or load it.
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../mcp/clients.js';
import { scratchFolder } from '../scratch-folder.js';
import { ended } from '../ended.js';
import { built } from '../built.js';

export interface Served {
  url: string;
  child: ChildProcess;
  /** Requests ended in that way, by the server's own count. */
  completions(): Promise<number>;
  end(signal?: NodeJS.Signals): Promise<void>;
}

/**
 * @param token Of all servers that are to be asked with one key.
 * @param more Further options of the command line.
 */
export async function served(token: string, folder: string, more: string[] = []): Promise<Served> {
  const home = scratchFolder('served');
  const own = ['--socket', join(home, 's.sock'), '--token-file', token, '--no-disk-cache', '--allow', folder];
  const args = [built(), 'serve', '--http', '0', '--threads', '1', ...own, ...more];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] });
  const url = await answering(child);
  const headers = { authorization: `Bearer ${readFileSync(token, 'utf8').trim()}` };
  return {
    url,
    child,
    async completions() {
      const text = await (await fetch(`${url}/metrics`, { headers })).text();
      return Number(/^afterimage_completion_seconds_count\S* (\d+)/m.exec(text)?.[1] ?? 0);
    },
    async end(signal = 'SIGTERM') {
      child.kill(signal);
      await ended(child);
    },
  };
}

async function answering(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stderr! })) {
    const url = /answers for \S+ on (http:\/\/127\.0\.0\.1:\d+)\/v1/.exec(line)?.[1];
    if (!url) continue;
    child.stderr!.resume();
    return url;
  }
  throw new Error('The server ended before it said where it answers.');
}
