// The functions of `pixel-work.ts`, run in worker threads.
import { workers } from '../work/pool.js';
import type * as work from './pixel-work.js';

export const identityOf = workers.job<typeof work.identityOf>(import.meta.url, './pixel-work', 'identityOf');
