// The text reader that the command line's options describe.
import { dirname, join } from 'node:path';
import { openReader as openNetworks } from '../engine/reader-engine.js';
import { PictureShelf } from '../image/shelf.js';
import { ElementReader } from '../reading/elements.js';
import type { Reader } from '../reading/reading.js';
import { TextReader } from '../reading/text-reader.js';
import { cacheFolder, socketOf, threadsOf, usableCacheFolder } from './open-engine.js';
import type { Options } from './options.js';

/** Nothing is loaded before the first picture. @throws AfterimageError INVALID_ARGUMENT, IO_FAILED */
export async function openReader(options: Options): Promise<Reader> {
  if (options.flag('remote')) return sharedReader(options);
  const folder = usableCacheFolder(options) === undefined ? undefined : readingsFolder(options);
  const threads = threadsOf(options);
  const backend = options.choice('backend', ['cpu', 'metal'] as const);
  const networks = options.text('reader');
  return new TextReader(() => openNetworks({ folder: networks, threads, backend }), folder);
}

async function sharedReader(options: Options): Promise<Reader> {
  const [{ RemoteEngine }, { RemoteReader }] = await Promise.all([
    import('../engine/remote/remote-engine.js'),
    import('../reading/shared-reader.js'),
  ]);
  return new RemoteReader(new RemoteEngine(socketOf(options)));
}

/** Nothing is loaded before a model asks what lines are. */
export function openElementReader(options: Options): ElementReader {
  const threads = threadsOf(options);
  const backend = options.choice('backend', ['cpu', 'metal'] as const);
  return new ElementReader(async () => {
    const { openElements } = await import('../engine/element-engine.js');
    return openElements({ threads, backend });
  });
}

/** Where pictures lie that were replaced by words, for whoever asks about them; absent where nothing is kept on disk. */
export function openShelf(options: Options): PictureShelf | undefined {
  return usableCacheFolder(options) === undefined ? undefined : new PictureShelf(picturesFolder(options));
}

export function picturesFolder(options: Options): string {
  return join(dirname(cacheFolder(options)), 'pictures');
}

/** Where readings are kept; only its owner may look into it. */
export function readingsFolder(options: Options): string {
  return join(dirname(cacheFolder(options)), 'readings');
}
