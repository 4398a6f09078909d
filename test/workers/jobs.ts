// Functions that the tests of the worker pool run in other threads.
import { threadId } from 'node:worker_threads';
import { AfterimageError } from '../../src/errors.js';
import { isShared, sharedBytes } from '../../src/workers/shared-bytes.js';
import { nested } from './callers.js';

export function thread(): number {
  return threadId;
}

export function nestedThread(): Promise<number> {
  return nested(undefined);
}

export function doubled(data: Uint8Array): { shared: boolean; data: Uint8Array } {
  const shared = isShared(data);
  const target = shared ? sharedBytes(data.length) : new Uint8Array(data.length);
  target.set(data.length < 100 ? data.map((byte) => byte * 2) : data);
  return { shared, data: target };
}

export function fail(kind: 'ours' | 'type'): never {
  if (kind === 'ours') throw new AfterimageError('IMAGE_UNREADABLE', 'Save it again.');
  throw new TypeError('Expected a picture');
}

export function forever(): never {
  for (;;);
}

/** What no one catches ends the thread. */
export function die(): Promise<never> {
  return new Promise(() => {
    setImmediate(() => {
      throw new Error('nobody caught this');
    });
  });
}
