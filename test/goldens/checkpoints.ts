// Golden checkpoints: the committed ones, and those of folders that are given.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One folder for every family, made by generator/make.py. */
export const CHECKPOINTS = fileURLToPath(new URL('checkpoints', import.meta.url));

/** Folders of checkpoints under `root`; `root` itself where it is one. */
export function checkpointFolders(root = CHECKPOINTS): string[] {
  if (existsSync(join(root, 'config.json'))) return [root];
  return readdirSync(root)
    .sort()
    .map((name) => join(root, name))
    .filter((folder) => existsSync(join(folder, 'config.json')));
}

export function modelTypeOf(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as { model_type: string }).model_type;
}
