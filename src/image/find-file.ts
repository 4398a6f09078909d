// The file that a path means where no file has exactly that name. Only allowed folders are looked into, and what is
// found is opened, and judged, by the policy like any other path.
import { readdir, realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize, parse, relative, sep } from 'node:path';
import { existsSync } from 'node:fs';
import type { FilePolicy } from './policy.js';
import { looselySpelled, readings, spelled } from './spelling.js';

/** More folders or files than this with names that look alike are not gone through. */
const MOST_ALIKE = 8;

/**
 * Files in allowed folders whose paths are spelled like `path`; the caller uses one only if it is the only one.
 * @param path Absolute.
 */
export async function filesSpelled(path: string, policy: FilePolicy): Promise<string[]> {
  const closely = await filesAlike(path, policy, spelled);
  return closely.length > 0 ? closely : filesAlike(path, policy, looselySpelled);
}

type Spelling = (name: string) => string;

async function filesAlike(path: string, policy: FilePolicy, spelling: Spelling): Promise<string[]> {
  const found = new Set<string>();
  for (const reading of readings(path, sep === '/').map(normalize)) {
    for (const root of rootsOf(reading, policy)) {
      const rest = restBelow(root, reading);
      if (rest) for (const file of await below(root, rest, policy, spelling)) found.add(file);
    }
  }
  return distinct([...found]);
}

/** One path for each file: allowed folders may lie in each other or be links to one another. */
export async function distinct(paths: string[]): Promise<string[]> {
  if (paths.length < 2) return paths;
  const real = await Promise.all(paths.map(async (path) => [await realpath(path).catch(() => path), path]));
  return [...new Map(real as [string, string][]).values()];
}

/** Where to begin: at the allowed folders, or at the last folder of the path that is there. */
function rootsOf(path: string, { folders }: FilePolicy): readonly string[] {
  if (folders !== 'everywhere') return folders;
  let folder = dirname(path);
  while (!existsSync(folder) && folder !== parse(folder).root) folder = dirname(folder);
  return [folder];
}

/** Names from `root` down to the path; undefined when the path does not lie below it, however both are spelled. */
function restBelow(root: string, path: string): string[] | undefined {
  const names = path.split(sep);
  const above = root.split(sep).filter((name, index) => index === 0 || name !== '');
  const alike = above.every((name, index) => spelled(name) === spelled(names[index] ?? '\0'));
  const rest = names.slice(above.length).filter((name) => name !== '');
  return alike && rest.length > 0 ? rest : undefined;
}

async function below(
  folder: string,
  [name, ...rest]: string[],
  policy: FilePolicy,
  spelling: Spelling,
): Promise<string[]> {
  const names = await namesIn(folder, policy);
  const wanted = spelling(name!);
  const alike = names.includes(name!) ? [name!] : names.filter((other) => spelling(other) === wanted);
  const paths = alike.slice(0, MOST_ALIKE).map((match) => join(folder, match));
  if (rest.length === 0) return paths;
  return (await Promise.all(paths.map((path) => below(path, rest, policy, spelling)))).flat();
}

/** Nothing of a folder that cannot be read, or that a link leads to from inside an allowed folder to outside. */
async function namesIn(folder: string, { folders }: FilePolicy): Promise<string[]> {
  try {
    const real = await realpath(folder);
    if (folders !== 'everywhere' && !(await isWithin(real, folders))) return [];
    return await readdir(real);
  } catch {
    return [];
  }
}

async function isWithin(real: string, folders: readonly string[]): Promise<boolean> {
  const roots = await Promise.allSettled(folders.map((folder) => realpath(folder)));
  return roots.some((root) => {
    if (root.status === 'rejected') return false;
    const rest = relative(root.value, real);
    return rest === '' || !(rest === '..' || rest.startsWith(`..${sep}`) || isAbsolute(rest));
  });
}
