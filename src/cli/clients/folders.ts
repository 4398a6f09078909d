// Folders that people keep pictures in, for --allow: what a client's configuration lets the server read.
import { readFileSync } from 'node:fs';
import { homedir, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from './clients.js';

/**
 * Absolute paths; they need not exist. A folder that does not exist allows nothing.
 * @param pasted Also where the client puts pictures that are pasted into it.
 */
export function pictureFolders({ coding, pasted }: Client, withPasted: boolean, home = homedir()): string[] {
  return [
    ...['DESKTOP', 'PICTURES', 'DOWNLOAD'].map((kind) => userFolder(kind, home)),
    // The screenshots of playwright-mcp outside a project; inside one they lie in the client's roots.
    ...(coding ? [join(tmpdir(), 'playwright-mcp-output')] : []),
    ...(withPasted && pasted !== undefined ? [pasted] : []),
  ];
}

const ENGLISH: Record<string, string> = { DESKTOP: 'Desktop', PICTURES: 'Pictures', DOWNLOAD: 'Downloads' };

/** On Linux folders carry names of the user's language, which user-dirs.dirs tells. */
function userFolder(kind: string, home: string): string {
  const english = join(home, ENGLISH[kind]!);
  if (platform() !== 'linux') return english;
  try {
    const file = join(process.env['XDG_CONFIG_HOME'] || join(home, '.config'), 'user-dirs.dirs');
    const named = new RegExp(`^XDG_${kind}_DIR="(.*)"`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
    const folder = named?.replace(/^\$HOME(?=\/|$)/, home);
    // A folder that the user does not have is written as the home folder itself, which is too much to allow.
    return folder === undefined || folder.replace(/\/$/, '') === home ? english : folder;
  } catch {
    return english; // no such file: the English names are the default
  }
}
