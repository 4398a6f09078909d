// How a client is to start this installation: programs started from a desktop have a short PATH and the folder "/".
import { existsSync, realpathSync } from 'node:fs';
import { platform } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { packageRoot } from '../../package-root.js';
import type { Launch } from './clients.js';

const PACKAGE = 'afterimage-mcp';

/**
 * An installation that stays is started as it is, by this Node.js; one that npx fetched for this call, by npx again.
 * Paths are absolute: neither `node` nor `npx` need be on the client's PATH.
 */
export function launch(serverArgs: string[]): Launch {
  const root = realpathSync(packageRoot());
  const main = join(root, 'dist', 'src', 'main.js');
  const args = ['mcp', ...serverArgs];
  if (!isTransient(root) && existsSync(main)) return { command: process.execPath, args: [main, ...args] };
  return npx(args);
}

/** npx keeps what it fetched in a cache that it may empty. */
function isTransient(root: string): boolean {
  return root.split(/[\\/]/).includes('_npx');
}

function npx(args: string[]): Launch {
  const folder = dirname(process.execPath);
  const program = join(folder, platform() === 'win32' ? 'npx.cmd' : 'npx');
  const env = {
    PATH: [folder, ...(platform() === 'win32' ? [] : ['/usr/local/bin', '/usr/bin', '/bin'])].join(delimiter),
  };
  const command = existsSync(program) ? program : 'npx';
  if (platform() === 'win32') return { command: 'cmd', args: ['/c', command, '-y', PACKAGE, ...args] };
  return { command, args: ['-y', PACKAGE, ...args], env };
}
