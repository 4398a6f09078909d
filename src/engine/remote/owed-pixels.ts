// The pixels that a client owes the engine for one of its images: asked for in pieces, kept only if they are what was
// named. A client is given so long for an image and no longer.
import type { MessageConnection } from 'vscode-jsonrpc/node';
import { AfterimageError } from '../../errors.js';
import { identityOf } from '../../image/pixel-jobs.js';
import type { RgbImage } from '../../image/rgb-image.js';
import { sharedBytes } from '../../workers/shared-bytes.js';
import type { WireImage } from './messages.js';
import { PIECE_BYTES, PIXELS, fromWire, heard } from './wire.js';

export interface OwedImage extends WireImage {
  /** Where the client finds it: its call, and its place in that call's list. */
  call: number;
  index: number;
}

/**
 * @param patience Milliseconds for the whole image.
 * @param signal Ends the waiting when its question has ended.
 * @throws AfterimageError IMAGE_UNREADABLE when they come too late, incomplete or are those of another image; CANCELLED
 */
export async function owedPixels(
  connection: MessageConnection,
  owed: OwedImage,
  patience: number,
  signal: AbortSignal,
): Promise<RgbImage> {
  const late = AbortSignal.timeout(patience);
  const image = await untilEither(fetched(connection, owed), signal, late);
  const { pixelHash } = await identityOf(image);
  if (pixelHash === owed.pixelHash) return image;
  throw unreadable('The pixels of an image are not those it was named by; read the image and ask again.');
}

async function fetched(connection: MessageConnection, owed: OwedImage): Promise<RgbImage> {
  const { width, height } = owed;
  const data = sharedBytes(width * height * 3);
  for (let from = 0; from < data.length; from += PIECE_BYTES) {
    const bytes = Math.min(PIECE_BYTES, data.length - from);
    data.set(await piece(connection, owed, from, bytes), from);
  }
  return { width, height, data };
}

async function piece(
  connection: MessageConnection,
  { call, index }: OwedImage,
  from: number,
  bytes: number,
): Promise<Uint8Array> {
  const answer = await connection
    .sendRequest(PIXELS.type, { call, image: index, from })
    .catch((error: unknown) => {
      throw fromWire(error);
    });
  const text = heard(PIXELS.answered, answer);
  const decoded = text.length === Math.ceil(bytes / 3) * 4 ? Buffer.from(text, 'base64') : undefined;
  if (decoded?.length === bytes) return decoded;
  throw unreadable('The pixels of an image came incomplete; ask again.');
}

/** The work goes on behind the scenes until the connection ends, but nobody waits for it. */
function untilEither<T>(work: Promise<T>, ended: AbortSignal, late: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancelled = (): void => reject(new AfterimageError('CANCELLED', 'The question has ended.'));
    const tooLate = (): void =>
      reject(unreadable('The pixels of an image did not come in time; ask again when its program answers.'));
    if (ended.aborted) cancelled();
    ended.addEventListener('abort', cancelled, { once: true });
    late.addEventListener('abort', tooLate, { once: true });
    work.then(resolve, reject).finally(() => {
      ended.removeEventListener('abort', cancelled);
      late.removeEventListener('abort', tooLate);
    });
  });
}

function unreadable(message: string): AfterimageError {
  return new AfterimageError('IMAGE_UNREADABLE', message);
}
