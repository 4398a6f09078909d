// The user's folders by the XDG base directory specification, which has relative values ignored.
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** @param otherwise Below the home folder. */
export function baseFolder(
  variable: 'XDG_CACHE_HOME' | 'XDG_CONFIG_HOME' | 'XDG_DATA_HOME',
  otherwise: string,
  environment: NodeJS.ProcessEnv = process.env,
): string {
  const set = environment[variable];
  return set !== undefined && isAbsolute(set) ? set : join(homedir(), otherwise);
}
