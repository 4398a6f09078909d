// How other modules call them.
import { workers } from '../../src/workers/pool.js';

export const nested = workers.job<() => number>(import.meta.url, './jobs', 'thread');
