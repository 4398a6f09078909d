// The hash of a whole file. Runs in a worker thread: checkpoints are large.
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';

const PIECE = 4 * 2 ** 20;

/** Hex SHA-256. @throws NodeJS.ErrnoException */
export function hashFile(path: string): string {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(PIECE);
  const file = openSync(path, 'r');
  try {
    for (let count = 0; (count = readSync(file, piece)) > 0;) hash.update(piece.subarray(0, count));
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}
