// One string that names an image → its encoded bytes. Files are read again on every call: an overwritten
// screenshot.png is a new image.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FileHandle } from 'node:fs/promises';
import { AfterimageError } from '../errors.js';
import { checkBytes, type ImageLimits } from './decode.js';
import { displayName } from './display-name.js';
import { download, type UrlPolicy } from './download.js';
import type { FilePolicy } from './policy.js';

export interface SourceBytes {
  bytes: Uint8Array;
  /** How people and messages call it; never contains image data. */
  name: string;
}

export interface SourceOptions {
  files: FilePolicy;
  urls: UrlPolicy;
  limits: ImageLimits;
  /** Folder for relative paths: the command line has one, a server does not. */
  cwd?: string;
  signal?: AbortSignal;
}

const MAX_REFERENCE = 8192;

/** @throws AfterimageError with the code of whatever is wrong: path, policy, URL, data, size. */
export async function readSource(reference: string, options: SourceOptions): Promise<SourceBytes> {
  if (/^data:/i.test(reference))
    return { bytes: decodeDataUri(reference, options.limits), name: 'The data: image' };
  if (reference.length > MAX_REFERENCE) {
    throw invalid(
      `The image reference has ${reference.length} characters; image data must begin with "data:image/png;base64,".`,
    );
  }
  if (/^https?:/i.test(reference)) {
    const bytes = await download(reference, options.urls, options.limits.maxBytes, options.signal);
    return { bytes, name: new URL(reference).origin + new URL(reference).pathname };
  }
  const path = toPath(reference, options.cwd);
  return { bytes: await readFile(path, options), name: displayName(path) };
}

/** @throws AfterimageError INVALID_ARGUMENT when it names no file. */
export function toPath(reference: string, cwd?: string): string {
  const path = reference.trim() === '' ? '' : reference;
  if (path === '')
    throw invalid('The image reference is empty; give a path, a file:// or data: URL, or an image_id.');
  // Where there is a working folder, a file in it may be called as it likes.
  if (cwd !== undefined && existsSync(resolve(cwd, path))) return resolve(cwd, path);
  if (/^file:/i.test(path)) return fromFileUrl(path);
  if (path === '~' || /^~[/\\]/.test(path)) return resolve(homedir(), path.slice(2));
  if (path.startsWith('~'))
    throw invalid(`${displayName(path)} names another user's home; give the absolute path.`);
  if (isAbsolute(path) || path.startsWith('\\\\')) return path;
  if (/^[a-z][a-z0-9+.-]+:/i.test(path))
    throw invalid(
      `${displayName(path)} is not a kind of address that is read; give a path, file:// or data: URL.`,
    );
  if (cwd !== undefined) return resolve(cwd, path);
  throw invalid(`${displayName(path)} is a relative path; give the absolute path.`);
}

function fromFileUrl(text: string): string {
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

async function readFile(path: string, options: SourceOptions): Promise<Uint8Array> {
  const file = await options.files.open(path);
  try {
    const { size } = await file.stat();
    checkBytes(size, displayName(path), options.limits);
    return await readBounded(file, size, path, options);
  } finally {
    await file.close();
  }
}

/** Reads to the end, whatever size was announced, but never more than the limit. */
async function readBounded(
  file: FileHandle,
  size: number,
  path: string,
  options: SourceOptions,
): Promise<Uint8Array> {
  let buffer = Buffer.allocUnsafe(size + 1);
  let filled = 0;
  for (;;) {
    if (options.signal?.aborted) throw new AfterimageError('CANCELLED', 'The request was cancelled.');
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, null).catch((cause) => {
      throw new AfterimageError(
        'IMAGE_UNREADABLE',
        `${displayName(path)} could not be read to its end; try again.`,
        { cause },
      );
    });
    if (bytesRead === 0) return buffer.subarray(0, filled);
    filled += bytesRead;
    checkBytes(filled, displayName(path), options.limits);
    if (filled === buffer.length) {
      const larger = Buffer.allocUnsafe(Math.min(buffer.length * 2, options.limits.maxBytes + 1));
      buffer.copy(larger);
      buffer = larger;
    }
  }
}

/** data:[type][;parameters];base64,… with the standard alphabet and correct padding. */
export function decodeDataUri(text: string, limits: ImageLimits): Uint8Array {
  const comma = text.indexOf(',');
  const head = comma < 0 || comma > 256 ? '' : text.slice(5, comma);
  if (!/;base64$/i.test(head)) {
    throw invalid('The data: image is not base64; it must begin like "data:image/png;base64,".');
  }
  if (!/^(image\/[a-z0-9.+-]+|application\/octet-stream)?(;[a-z0-9=._-]+)*;base64$/i.test(head)) {
    throw invalid(
      'The data: image does not say that it is an image; it must begin like "data:image/png;base64,".',
    );
  }
  const length = text.length - comma - 1;
  checkBytes(Math.floor((length * 3) / 4) - 2, 'The data: image', limits);
  const body = text.slice(comma + 1);
  if (length === 0 || length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(body)) {
    throw invalid(
      'The data: image is not valid base64; encode it with the standard alphabet, padding and no line breaks.',
    );
  }
  return Buffer.from(body, 'base64');
}

function invalid(message: string): AfterimageError {
  return new AfterimageError('INVALID_ARGUMENT', message);
}
