// How other modules call them.
import { workers } from '../../src/work/pool.js';

export const nested = workers.job<() => number>(import.meta.url, './jobs', 'thread');
