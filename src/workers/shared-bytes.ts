// Memory that all threads see: pixels go from one to the next without being copied or taken away from anyone.
import { isMainThread } from 'node:worker_threads';

/** What was set aside for each shared block, for as long as this thread holds the block. */
const ballast = new WeakMap<SharedArrayBuffer, Uint8Array>();

/** Zeroed bytes that other threads can be given for nothing. */
export function sharedBytes(length: number): Uint8Array<SharedArrayBuffer> {
  const buffer = new SharedArrayBuffer(length);
  weigh(buffer);
  return new Uint8Array(buffer);
}

/** The bytes themselves where they are shared already, else a copy that is. */
export function toShared(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  if (isShared(bytes)) return bytes;
  const copy = sharedBytes(bytes.length);
  copy.set(bytes);
  return copy;
}

export function isShared(bytes: Uint8Array): bytes is Uint8Array<SharedArrayBuffer> {
  return bytes.buffer instanceof SharedArrayBuffer;
}

/** Blocks of the main thread to which nothing is tied yet. */
const unweighed = new Set<SharedArrayBuffer>();

/**
 * V8 counts no shared memory, so a thread that drops large blocks would never collect them. Unshared memory of the same
 * size is therefore tied to each block: it is counted, and as nobody touches it, it takes up no pages. V8 may collect for
 * up to ten milliseconds whenever it counts, so the main thread has one block counted in each turn of its loop.
 */
export function weigh(buffer: SharedArrayBuffer): void {
  if (!isMainThread) return tie(buffer);
  if (ballast.has(buffer) || unweighed.has(buffer)) return;
  unweighed.add(buffer);
  if (unweighed.size === 1) setImmediate(weighOne);
}

function weighOne(): void {
  const [buffer] = unweighed;
  if (!buffer) return;
  unweighed.delete(buffer);
  if (unweighed.size > 0) setImmediate(weighOne);
  tie(buffer);
}

function tie(buffer: SharedArrayBuffer): void {
  if (!ballast.has(buffer)) ballast.set(buffer, Buffer.allocUnsafeSlow(buffer.byteLength));
}
