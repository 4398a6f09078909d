// The text reader that the command line's options describe.
import { dirname, join } from 'node:path';
import { AfterimageError } from '../errors.js';
import type { TextNetworks } from '../engine/text-networks.js';
import type { Reader } from '../reading/reading.js';
import { TextReader } from '../reading/text-reader.js';
import { cacheFolder, usableCacheFolder } from './open-engine.js';
import type { Options } from './options.js';

/** Nothing is loaded before the first picture. @throws AfterimageError INVALID_ARGUMENT, IO_FAILED */
export function openReader(options: Options): Reader {
  const kept = usableCacheFolder(options) !== undefined;
  return new TextReader(openNetworks, kept ? readingsFolder(options) : undefined);
}

/** Where readings are kept; only its owner may look into it. */
export function readingsFolder(options: Options): string {
  return join(dirname(cacheFolder(options)), 'readings');
}

function openNetworks(): Promise<TextNetworks> {
  throw new AfterimageError('BACKEND_FAILED', 'The text reader has no networks here; use method "model".');
}
