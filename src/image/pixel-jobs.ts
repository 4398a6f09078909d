// The functions of `pixel-work.ts`, `diff-work.ts` and `data-work.ts`, run in worker threads.
import { workers } from '../workers/pool.js';
import type * as data from './data-work.js';
import type * as diff from './diff-work.js';
import type * as pixels from './pixel-work.js';

const here = import.meta.url;

const ready = workers.job<typeof pixels.ready>(here, './pixel-work', 'ready');
let begun: Promise<void> | undefined;

/** Lets a thread load the decoder ahead of the first picture, which meets what fails here. */
export function decoderReady(): Promise<void> {
  return (begun ??= ready(undefined).catch(() => {}));
}

/** While one thread is loading the decoder, a second one would load it as well. */
function afterDecoder<A extends unknown[], T>(job: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
  return async (...args) => {
    await begun;
    return job(...args);
  };
}

export const identityOf = workers.job<typeof pixels.identityOf>(here, './pixel-work', 'identityOf');
export const hashOf = workers.job<typeof pixels.hashOf>(here, './pixel-work', 'hashOf');
export const decoded = afterDecoder(workers.job<typeof pixels.decoded>(here, './pixel-work', 'decoded'));
export const identified = afterDecoder(
  workers.job<typeof pixels.identified>(here, './pixel-work', 'identified'),
);
export const encoded = workers.job<typeof pixels.encoded>(here, './pixel-work', 'encoded');
export const animated = workers.job<typeof pixels.animated>(here, './pixel-work', 'animated');
export const stack = workers.job<typeof pixels.stack>(here, './pixel-work', 'stack');
export const cropped = workers.job<typeof pixels.cropped>(here, './pixel-work', 'cropped');
export const cut = workers.job<typeof pixels.cut>(here, './pixel-work', 'cut');
export const thumbnail = workers.job<typeof pixels.thumbnail>(here, './pixel-work', 'thumbnail');
export const shown = workers.job<typeof pixels.shown>(here, './pixel-work', 'shown');
export const outlined = workers.job<typeof pixels.outlined>(here, './pixel-work', 'outlined');
export const longData = workers.job<typeof data.longData>(here, './data-work', 'longData');
export const carriedData = workers.job<typeof data.carriedData>(here, './data-work', 'carriedData');
export const sendable = workers.job<typeof pixels.sendable>(here, './pixel-work', 'sendable');
export const compared = workers.job<typeof diff.compare>(here, './diff-work', 'compare');
export const drawn = workers.job<typeof diff.draw>(here, './diff-work', 'draw');
