// Image data inside a reference: a data: URL as clients really write it, or base64 without anything around it.
import { AfterimageError } from '../errors.js';
import { checkBytes, type ImageLimits } from './limits.js';
import { isKnownFormat } from './format.js';

const NAME = 'The data: image';

/** Shorter base64 may as well be a name; the smallest pictures have more. */
const SHORTEST_BARE = 48;

/**
 * The bytes, or undefined when the reference is no data.
 * @throws AfterimageError INVALID_ARGUMENT, IMAGE_TOO_LARGE.
 */
export function imageData(reference: string, limits: ImageLimits): Uint8Array | undefined {
  const start = /^[\s"'`<@]*data:/i.exec(reference.slice(0, 64));
  if (start) return decodeDataUri(reference.slice(start[0].length - 5), limits);
  return isBareImage(reference) ? decodeBase64(reference, limits) : undefined;
}

/** A path can look like base64 (JPEG begins with /9j/), but not this long and with a picture's first bytes inside. */
function isBareImage(text: string): boolean {
  const head = text.slice(0, 1024).replace(/[\s"'`]/g, '');
  if (head.length < SHORTEST_BARE || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(head)) return false;
  return isKnownFormat(Buffer.from(head.slice(0, head.length & ~3), 'base64'));
}

/**
 * data:[type][;parameters];base64,… with either alphabet, padded or not, escaped or not, in lines or not.
 * @throws AfterimageError INVALID_ARGUMENT, IMAGE_TOO_LARGE.
 */
export function decodeDataUri(text: string, limits: ImageLimits): Uint8Array {
  const comma = text.indexOf(',');
  const head = comma < 0 || comma > 1024 ? '' : text.slice(5, comma).trim();
  if (!/;\s*base64$/i.test(head)) {
    throw invalid(`${NAME} is not base64; it must begin like "data:image/png;base64,".`);
  }
  const type = head.split(';')[0]!.trim();
  if (!/^(image\/([a-z0-9.+-]+|\*)|application\/(?:octet-stream|(?:x-)?pdf)|\*\/\*)?$/i.test(type)) {
    throw invalid(`${NAME} does not say that it is an image; it must begin like "data:image/png;base64,".`);
  }
  return decodeBase64(text.slice(comma + 1), limits);
}

function decodeBase64(text: string, limits: ImageLimits): Uint8Array {
  // Lines and escapes may make up a part of it, but not most: what is far too long is not gone through.
  checkBytes(Math.floor(text.length / 4), NAME, limits);
  const body = unpadded(unescaped(text).replace(/[\s"'`>]+/g, ''));
  checkBytes(Math.floor((body.length * 3) / 4), NAME, limits);
  if (body.length === 0 || body.length % 4 === 1 || !/^[A-Za-z0-9+/_-]*$/.test(body)) {
    throw invalid(`${NAME} is not valid base64, or a part of it is missing; encode the whole file again.`);
  }
  return Buffer.from(body, 'base64');
}

/** A pattern for it would begin anew at every sign in the middle. */
function unpadded(text: string): string {
  let end = text.length;
  while (text[end - 1] === '=') end--;
  return text.slice(0, end);
}

function unescaped(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

function invalid(message: string): AfterimageError {
  return new AfterimageError('INVALID_ARGUMENT', message);
}
