// One string that names an image → its encoded bytes. Files are read again on every call: an overwritten
// screenshot.png is a new image.
import { existsSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AfterimageError } from '../errors.js';
import { sharedBytes } from '../workers/shared-bytes.js';
import { carriedText, isCarried } from './carried.js';
import { clipboardPicture } from './clipboard.js';
import { imageData } from './data-uri.js';
import { checkBytes, type ImageLimits } from './limits.js';
import { displayName } from './display-name.js';
import type { UrlPolicy } from './download.js';
import { latestPicture, screenshotFolders } from './latest.js';
import { openNamed } from './named-file.js';
import { carriedData, longData } from './pixel-jobs.js';
import type { FilePolicy } from './policy.js';
import { unwrapped } from './spelling.js';

export interface SourceBytes {
  bytes: Uint8Array;
  /** How people and messages call it; never contains image data. */
  name: string;
}

export interface SourceOptions {
  files: FilePolicy;
  /** Absent: nothing is fetched from the web. */
  urls?: UrlPolicy;
  limits: ImageLimits;
  /** Folder for relative paths: the command line has one, a server does not. */
  cwd?: string;
  /** Whether "clipboard" is read: what a person copies is theirs, not a program's that asks for it. */
  clipboard: boolean;
  signal?: AbortSignal;
}

const MAX_REFERENCE = 8192;

/** @throws AfterimageError with the code of whatever is wrong: path, policy, URL, data, size. */
export async function readSource(reference: string, options: SourceOptions): Promise<SourceBytes> {
  const data = await dataOf(reference, options.limits);
  if (data) return { bytes: data, name: 'The data: image' };
  if (reference.length > MAX_REFERENCE) {
    throw invalid(
      `The image reference has ${reference.length} characters; image data must begin with "data:image/png;base64,".`,
    );
  }
  const bare = unwrapped(reference);
  if (/^https?:/i.test(bare)) {
    const { download, URLS_OFF } = await import('./download.js');
    const bytes = await download(bare, options.urls ?? URLS_OFF, options.limits.maxBytes, options.signal);
    return { bytes, name: new URL(bare).origin + new URL(bare).pathname };
  }
  const { files, cwd } = options;
  // Where there is a working folder, a file in it may be called like that.
  const isWord = cwd === undefined || !existsSync(resolve(cwd, bare));
  const word = bare.toLowerCase();
  if (isWord && word === 'clipboard') return fromClipboard(options);
  const named = isWord && word === 'latest' ? await latestIn(options) : reference;
  const { path, file } = await openNamed(named, files, cwd);
  try {
    return { bytes: await readFile(file, path, options), name: displayName(path) };
  } finally {
    await file.close();
  }
}

/** Undefined for what is no data. @throws AfterimageError as `imageData` */
async function dataOf(reference: string, limits: ImageLimits): Promise<Uint8Array | undefined> {
  if (reference.length <= MAX_REFERENCE) return imageData(reference, limits);
  if (!isCarried(reference)) return longData({ text: reference, limits });
  const text = carriedText(reference);
  if (!text) throw invalid('The image data of this call is not here any more; send it again.');
  return carriedData({ text, limits }).catch((cause: unknown) => {
    if (cause instanceof AfterimageError) throw cause;
    throw new AfterimageError('INVALID_ARGUMENT', 'The image data cannot be read; encode the file again.', {
      cause,
    });
  });
}

function latestIn({ files, cwd }: SourceOptions): Promise<string> {
  return latestPicture(files.folders === 'everywhere' ? screenshotFolders(cwd ?? '.') : files.folders);
}

async function fromClipboard({ clipboard, limits }: SourceOptions): Promise<SourceBytes> {
  if (!clipboard) {
    throw new AfterimageError(
      'CLIPBOARD_NOT_ALLOWED',
      'The clipboard is not read; start the server with --allow-clipboard, or save the picture and give its path.',
    );
  }
  const bytes = await clipboardPicture();
  checkBytes(bytes.length, CLIPBOARD, limits);
  return { bytes, name: CLIPBOARD };
}

const CLIPBOARD = 'The picture on the clipboard';

async function readFile(file: FileHandle, path: string, options: SourceOptions): Promise<Uint8Array> {
  const { size } = await file.stat();
  checkBytes(size, displayName(path), options.limits);
  return readBounded(file, size, path, options);
}

/** Reads to the end, whatever size was announced, but never more than the limit; into memory that decoders share. */
async function readBounded(
  file: FileHandle,
  size: number,
  path: string,
  options: SourceOptions,
): Promise<Uint8Array> {
  let buffer = Buffer.from(sharedBytes(size + 1).buffer);
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
      const longer = Math.min(buffer.length * 2, options.limits.maxBytes + 1);
      const larger = Buffer.from(sharedBytes(longer).buffer);
      buffer.copy(larger);
      buffer = larger;
    }
  }
}

function invalid(message: string): AfterimageError {
  return new AfterimageError('INVALID_ARGUMENT', message);
}
