// PDF documents as pictures: which pages a reference names, and each page as an image of its own, drawn once. The same page
// has the same pixels whoever asks, so what was seen and read of it is known by its image_id.
import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { AfterimageError } from '../errors.js';
import { LimitedThread, TookTooLong } from '../workers/limited-thread.js';
import { toShared } from '../workers/shared-bytes.js';
import type * as work from './pdf-work.js';
import { noSuchPage, tooComplex, type PdfPage, type PdfRequest } from './pdf-work.js';
import { unwrapped } from './spelling.js';

/** Pages of a call at most, like images. */
export const MOST_PAGES = 5;

/** Of one page, once the thread is there: MOST_PAGES of them are drawn within a call's time. */
const PAGE_MS = 8_000;
/** Beside the memory of PDFium itself, which `pdf-work.ts` bounds. */
const THREAD_MB = 192;

const thread = new LimitedThread<typeof work>(import.meta.url, './pdf-work', {
  resourceLimits: { maxOldGenerationSizeMb: THREAD_MB },
});
const rendered = thread.job<typeof work.rendered>('rendered');

/** From 1, both included. */
export interface PageRange {
  first: number;
  last: number;
}

/** As a reader does, the beginning may be preceded by something else. */
const MARK_WITHIN = 1024;

export function isPdf(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MARK_WITHIN));
  const at = head.indexOf('%PDF-', 0, 'latin1');
  // A picture may hold a PDF, in its metadata say.
  return at === 0 || (at > 0 && /^[\s\0\xef\xbb\xbf]*$/.test(head.toString('latin1', 0, at)));
}

/**
 * "3", "2-4" or "pages 2 to 4".
 * @throws AfterimageError INVALID_ARGUMENT, TOO_MANY_IMAGES
 */
export function pageRange(text: string): PageRange {
  const said = /^\s*(?:p(?:ages?|\.)?\s*)?(\d{1,6})(?:\s*(?:-|–|\.\.|to)\s*(\d{1,6}))?\s*$/i.exec(text);
  const [first, last] = [Number(said?.[1]), Number(said?.[2] ?? said?.[1])];
  if (!said || first < 1 || last < first) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `"${text.slice(0, 40)}" names no page; give one like "3" or a range like "2-4", counted from 1.`,
    );
  }
  const count = last - first + 1;
  if (count <= MOST_PAGES) return { first, last };
  throw new AfterimageError(
    'TOO_MANY_IMAGES',
    `Pages ${first}-${last} are ${count} images and a call takes at most ${MOST_PAGES}; ask for fewer at a time.`,
  );
}

const FRAGMENT = /#(?:page|pages)=([^#]{1,40})$/i;

/** A reference as "/a/report.pdf#page=2-4" → what it names, and the pages. A file that is called so is itself. */
export function withPages(reference: string, cwd?: string): { reference: string; page?: string } {
  if (reference.length > MOST_FRAGMENTED) return { reference };
  const bare = unwrapped(reference);
  const fragment = FRAGMENT.exec(bare);
  if (!fragment || isFile(bare, cwd)) return { reference };
  return { reference: bare.slice(0, fragment.index), page: decoded(fragment[1]!) };
}

/** Longer references are data. */
const MOST_FRAGMENTED = 8192;

function isFile(name: string, cwd: string | undefined): boolean {
  return (isAbsolute(name) || cwd !== undefined) && existsSync(resolve(cwd ?? '/', name));
}

function decoded(text: string): string {
  return text.replaceAll('%20', ' ').replace(/[?&].*$/, '');
}

/**
 * @param request `page` counts from 1; the page is drawn with `mostPixels` at most.
 * @throws AfterimageError DOCUMENT_LOCKED, DOCUMENT_UNREADABLE, DOCUMENT_UNSUPPORTED, DOCUMENT_TOO_COMPLEX,
 *   PAGE_NOT_FOUND, CANCELLED
 */
export async function pdfPage(
  request: PdfRequest,
  { signal, ms = PAGE_MS }: { signal?: AbortSignal; ms?: number } = {},
): Promise<PdfPage> {
  const { bytes, name } = request;
  try {
    return await rendered({ ...request, bytes: toShared(bytes) }, ms, signal, { ends: true });
  } catch (cause) {
    if (cause instanceof TookTooLong) throw tooComplex(name, `more than ${ms / 1000} s`, cause);
    if (signal?.aborted && !(cause instanceof AfterimageError))
      throw new AfterimageError('CANCELLED', 'The request was cancelled.', { cause });
    if (cause instanceof AfterimageError) throw cause;
    throw tooComplex(name, 'more memory than there is', cause);
  }
}

/** @throws AfterimageError PAGE_NOT_FOUND */
export function checkPage(name: string, page: number, count: number): void {
  if (page > count) throw noSuchPage(name, page, count);
}
