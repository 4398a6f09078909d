// The body of a request with words in place of its pictures; every other byte as it came.
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import * as zlib from 'node:zlib';
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { IncomingMessage } from 'node:http';
import { AfterimageError } from '../../errors.js';
import { SharedWriter, type CarriedText } from '../../image/carried.js';
import { workers } from '../../workers/pool.js';
import type { Describer } from './described.js';
import { imageBlocks, type ImageBlock } from './image-blocks.js';
import type { Span } from './json-spans.js';
import type { Body } from './upstream.js';

const imageBlocksApart = workers.job<typeof imageBlocks>(import.meta.url, './image-blocks', 'imageBlocks');

/** Bytes that are searched sooner than another thread would begin to. */
const AT_ONCE = 2 ** 17;

export interface Rewritten extends Body {
  images: number;
}

/**
 * @param mostBytes Of the body when it is not compressed any more.
 * @throws AfterimageError INVALID_ARGUMENT, IMAGE_TOO_LARGE, CANCELLED
 */
export async function rewritten(
  { headers }: IncomingMessage,
  came: CarriedText,
  { describer, mostBytes, signal }: { describer: Describer; mostBytes: number; signal: AbortSignal },
): Promise<Rewritten> {
  const body = await inflated(came, headers['content-encoding'], mostBytes);
  const blocks = await (lengthOf(body) <= AT_ONCE ? imageBlocks(body) : imageBlocksApart(body));
  if (blocks.length === 0) return { pieces: came, without: ['content-length'], images: 0 };
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const block of blocks) {
    pieces.push(
      ...cut(body, { from: at, to: block.from }),
      ...(await partFor(block, body, describer, signal)),
    );
    at = block.to;
  }
  pieces.push(...cut(body, { from: at, to: Infinity }));
  return { pieces, without: ['content-length', 'content-encoding'], images: blocks.length };
}

async function partFor(
  { part, picture, members }: ImageBlock,
  body: CarriedText,
  describer: Describer,
  signal: AbortSignal,
): Promise<Uint8Array[]> {
  const written = 'kept' in picture ? [] : cut(body, picture);
  const text = JSON.stringify(await describer.wordsFor(picture, written, signal));
  if (part === 'message') {
    const content = `[{"type":"output_text","text":${text}}]`;
    return [Buffer.from(`{"type":"message","role":"assistant","content":${content}}`)];
  }
  const kept = members.flatMap((member) => [Buffer.from(','), ...cut(body, member)]);
  return [Buffer.from(`{"type":"${part}","text":${text}`), ...kept, Buffer.from('}')];
}

/** Without copying. */
function cut(body: CarriedText, { from, to }: Span): CarriedText {
  const pieces: CarriedText = [];
  let begin = 0;
  for (const block of body) {
    const [start, end] = [Math.max(from - begin, 0), Math.min(to - begin, block.length)];
    if (start < end) pieces.push(block.subarray(start, end));
    begin += block.length;
  }
  return pieces;
}

const INFLATERS: Record<string, (() => Transform) | undefined> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  // Newer than the oldest Node.js that this runs on.
  zstd: (zlib as { createZstdDecompress?: () => Transform }).createZstdDecompress,
};

async function inflated(body: CarriedText, encoding: string | undefined, most: number): Promise<CarriedText> {
  if (encoding === undefined || encoding.trim().toLowerCase() === 'identity') return body;
  const inflater = INFLATERS[encoding.trim().toLowerCase()];
  if (!inflater) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `A body with Content-Encoding "${encoding.slice(0, 40)}" cannot be searched for pictures; send it as it is, or with gzip.`,
    );
  }
  const whole = new SharedWriter();
  const isMore = (): boolean => whole.length > most;
  try {
    await pipeline(
      Readable.from(body, { objectMode: false }),
      inflater(),
      async (parts: AsyncIterable<Buffer>) => {
        for await (const part of parts) {
          whole.append(part);
          if (isMore()) return;
        }
      },
    );
  } catch (cause) {
    // Ending before the data does is an error of the stream.
    if (!isMore())
      throw new AfterimageError('INVALID_ARGUMENT', `The body is no ${encoding}; send it as it is.`, {
        cause,
      });
  }
  if (isMore()) throw tooLarge(most);
  return whole.end();
}

function tooLarge(most: number): AfterimageError {
  return new AfterimageError(
    'IMAGE_TOO_LARGE',
    `The request has more than ${Math.round(most / 2 ** 20)} MB; send smaller or fewer images.`,
  );
}

function lengthOf(body: CarriedText): number {
  return body.reduce((sum, { length }) => sum + length, 0);
}
