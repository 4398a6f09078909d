// "latest": the picture that was saved last in some folders, which is the screenshot that someone has just taken.
import { readdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { AfterimageError } from '../errors.js';

/** What a screenshot is called is decided by its program; what it holds, by its first bytes, once it is read. */
const PICTURE = /\.(png|jpe?g|webp|gif|avif|tiff?|bmp)$/i;
/** Folders inside that are looked into as well. */
const SCREENSHOTS = /^screenshots?$/i;

/** Path of the newest picture. @throws AfterimageError IMAGE_NOT_FOUND */
export async function latestPicture(folders: readonly string[]): Promise<string> {
  const found = (await Promise.all(folders.map((folder) => pictures(folder)))).flat();
  const [newest] = found.sort((a, b) => b.saved - a.saved);
  if (newest) return newest.path;
  const where = folders.length > 0 ? `the folders ${folders.join(', ')}` : 'an allowed folder';
  throw new AfterimageError('IMAGE_NOT_FOUND', `There is no picture in ${where}; give the path of one.`);
}

interface Saved {
  path: string;
  saved: number;
}

/** Nothing of a folder that is not there or cannot be read: others may have what is wanted. */
async function pictures(folder: string, inside = true): Promise<Saved[]> {
  const names = await readdir(folder).catch(() => []);
  const files = names.filter((name) => PICTURE.test(name)).map((name) => savedAt(join(folder, name)));
  const deeper = inside ? names.filter((name) => SCREENSHOTS.test(name)) : [];
  const below = deeper.map((name) => pictures(join(folder, name), false));
  return [...(await Promise.all(files)), ...(await Promise.all(below))].flat();
}

async function savedAt(path: string): Promise<Saved[]> {
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() ? [{ path, saved: info.mtimeMs }] : [];
}

/** Where systems put screenshots, for a person at a terminal. */
export function screenshotFolders(
  cwd: string,
  home = homedir(),
  env: NodeJS.ProcessEnv = process.env,
): string[] {
  const named = [env['XDG_SCREENSHOTS_DIR'], env['XDG_PICTURES_DIR']].flatMap((folder) => folder || []);
  return [cwd, ...named, ...['Desktop', 'Pictures', 'OneDrive/Pictures'].map((folder) => join(home, folder))];
}
