// A name as people and models write it → the opened file. The exact name comes first; else the one file that the name
// can only mean. Whatever is found, the policy decides whether it may be opened.
import { existsSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { basename, isAbsolute, join, normalize, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AfterimageError, type ErrorCode } from '../errors.js';
import { displayName } from './display-name.js';
import { distinct, filesSpelled } from './find-file.js';
import type { FilePolicy } from './policy.js';
import { unwrapped } from './spelling.js';

export interface NamedFile {
  path: string;
  file: FileHandle;
}

/**
 * The caller closes the file.
 * @param cwd Folder for relative paths; without one they are looked for in the allowed folders.
 * @throws AfterimageError INVALID_ARGUMENT, IMAGE_NOT_FOUND, PATH_NOT_ALLOWED, IMAGE_UNREADABLE.
 */
export async function openNamed(reference: string, files: FilePolicy, cwd?: string): Promise<NamedFile> {
  const bare = onThisMachine(unwrapped(reference));
  if (cwd === undefined && isRelative(bare)) return openRelative(bare, files);
  try {
    // Blanks around an absolute path may belong to its name, and where there is a working folder so may anything.
    const exact = cwd !== undefined || isAbsolute(reference) ? reference : bare;
    return await openPath(toPath(exact, cwd), files);
  } catch (error) {
    if (!(error instanceof AfterimageError) || !MISNAMED.includes(error.code)) throw error;
    return openMeant(await filesSpelled(pathMeant(bare, cwd, error), files), files, bare, error);
  }
}

/** What a name ends in that is spelled otherwise on disk; outside, when it is the allowed folder that is. */
const MISNAMED: ErrorCode[] = ['IMAGE_NOT_FOUND', 'PATH_NOT_ALLOWED', 'INVALID_ARGUMENT'];

async function openPath(path: string, files: FilePolicy): Promise<NamedFile> {
  return { path, file: await files.open(path) };
}

/** @throws `otherwise` where nothing was found. */
async function openMeant(
  found: string[],
  files: FilePolicy,
  name: string,
  otherwise: AfterimageError,
): Promise<NamedFile> {
  const [path, ...others] = found;
  if (path === undefined) throw otherwise;
  if (others.length === 0) return openPath(path, files);
  throw new AfterimageError(
    'IMAGE_NOT_FOUND',
    `${displayName(name)} may mean ${found.map((one) => JSON.stringify(displayName(one))).join(' or ')}; give the exact path.`,
    { cause: otherwise },
  );
}

async function openRelative(name: string, files: FilePolicy): Promise<NamedFile> {
  const folders = files.folders === 'everywhere' ? [] : files.folders;
  const path = normalize(name);
  if (isElsewhere(name))
    throw invalid(
      `${displayName(name)} is a path of Windows, which this system has no drive of; give the path here.`,
    );
  if (name.split(/[\\/]/).includes('..')) {
    throw invalid(`${displayName(name)} is no path in an allowed folder; give the absolute path.`);
  }
  const candidates = folders.flatMap((folder) => [join(folder, path), ...belowItself(folder, path)]);
  const exact = candidates.filter((file) => existsSync(file));
  const alike = candidates.map((file) => filesSpelled(file, files));
  const where = folders.length > 0 ? `the allowed folders (${folders.join(', ')})` : 'an allowed folder';
  const missing = new AfterimageError(
    'IMAGE_NOT_FOUND',
    `${displayName(name)} is not in ${where}; give its absolute path.`,
  );
  const found = await distinct(exact.length > 0 ? exact : (await Promise.all(alike)).flat());
  return openMeant(found, files, name, missing);
}

/** Where to look for what was not opened; what is no path at all stays the error that it was. */
function pathMeant(bare: string, cwd: string | undefined, error: AfterimageError): string {
  // A % that a file URL does not escape with: whoever wrote it put file:// before a plain path.
  const plain = /^file:\/\/(?:localhost)?(\/.*)$/is.exec(bare)?.[1];
  if (error.cause instanceof URIError && plain !== undefined) return plain;
  return toPath(bare, cwd);
}

/** Who stands in the folder above writes a folder's own name first. */
function belowItself(folder: string, path: string): string[] {
  const [first, ...rest] = path.split(sep);
  return rest.length > 0 && first === basename(folder) ? [join(folder, ...rest)] : [];
}

function isRelative(name: string): boolean {
  return name !== '' && !isAbsolute(name) && !/^(~|\\\\|[a-z][a-z0-9+.-]+:)/i.test(name);
}

/** A path of Windows where there is none. */
function isElsewhere(name: string): boolean {
  return /^[a-z]:[\\/]/i.test(name);
}

/** @throws AfterimageError INVALID_ARGUMENT when it names no file. */
export function toPath(reference: string, cwd?: string): string {
  const path = reference.trim() === '' ? '' : reference;
  if (path === '')
    throw invalid('The image reference is empty; give a path, a file:// or data: URL, or an image_id.');
  // Where there is a working folder, a file in it may be called as it likes.
  if (cwd !== undefined && existsSync(resolve(cwd, path))) return resolve(cwd, path);
  const bare = onThisMachine(cwd === undefined ? path : unwrapped(path));
  if (/^file:/i.test(bare)) return fromFileUrl(bare);
  if (bare === '~' || /^~[/\\]/.test(bare)) return resolve(homedir(), bare.slice(2));
  if (bare.startsWith('~'))
    throw invalid(`${displayName(path)} names another user's home; give the absolute path.`);
  if (isAbsolute(bare) || bare.startsWith('\\\\')) return bare;
  if (/^[a-z][a-z0-9+.-]+:/i.test(bare))
    throw invalid(
      `${displayName(path)} is not a kind of address that is read; give a path, file:// or data: URL.`,
    );
  if (cwd !== undefined) return resolve(cwd, bare);
  throw invalid(`${displayName(path)} is a relative path; give the absolute path.`);
}

/** Editors' and other programs' addresses of local files. */
const ADDRESS =
  /^(?:vscode-file:\/\/vscode-app|vscode:\/\/file|vscode-remote:\/\/[^/]+|sandbox:(?:\/\/)?|computer:\/\/)(?=\/)/i;
const HOME = /^(?:file:\/\/(?=~)|\$HOME(?=[\\/])|\$\{HOME\}|%USERPROFILE%|%HOME%)/i;
/** \\wsl$\Ubuntu\… is how Windows calls the files of this system, C:\… what this one has under /mnt/c. */
const WSL = /^(?:file:)?[\\/]{2}wsl(?:\$|\.localhost)[\\/][^\\/]+(?=[\\/])/i;
const DRIVE = /^(?:file:\/\/\/)?([a-z]):[\\/]/i;

/** The same file as a path of this machine, where it was named from another program or system. */
function onThisMachine(name: string): string {
  if (ADDRESS.test(name)) return name.replace(ADDRESS, '');
  if (HOME.test(name)) return name.replace(HOME, (found) => (found.endsWith('/') ? '' : '~'));
  const own = `~${userName()}`;
  if (own !== '~' && (name === own || /^[\\/]/.test(name.slice(own.length))) && name.startsWith(own))
    return `~${name.slice(own.length)}`;
  if (sep === '\\') return name;
  if (WSL.test(name)) return name.replace(WSL, '').replaceAll('\\', '/');
  const drive = DRIVE.exec(name)?.[1];
  const mounted = drive && `/mnt/${drive.toLowerCase()}`;
  if (!mounted || !existsSync(mounted)) return name.replace(/^file:\/\/127\.0\.0\.1(?=\/)/i, 'file://');
  return `${mounted}/${name.replace(DRIVE, '').replaceAll('\\', '/')}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // No entry in the list of users, as in some containers: then nobody writes ~name either.
    return '';
  }
}

function fromFileUrl(text: string): string {
  // # and ? end the path of a URL, but whoever puts file:// before a path means all of it.
  const plain = /^file:\/\/(?:localhost)?(\/.*[#?].*)$/is.exec(text)?.[1];
  if (plain !== undefined && existsSync(plain)) return plain;
  try {
    return fileURLToPath(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `${displayName(text)} is not a local file URL (${reason}); use file:///path.`,
      { cause },
    );
  }
}

function invalid(message: string): AfterimageError {
  return new AfterimageError('INVALID_ARGUMENT', message);
}
