// afterimage cache
import { loadAddon } from '../engine/native.js';
import { AfterimageError } from '../errors.js';
import type { KeptFiles } from '../kept-files.js';
import { keptPictures } from '../image/shelf.js';
import { keptReadings } from '../reading/reading-cache.js';
import { nativeReady } from './native-ready.js';
import { cacheFolder } from './open-engine.js';
import { keptDescriptions } from '../http/proxy/described.js';
import { picturesFolder, readingsFolder } from './open-reader.js';
import type { Options } from './options.js';

/** `afterimage cache list|clear` */
export async function cache(options: Options): Promise<void> {
  const [action = 'list'] = options.positionals;
  await nativeReady();
  const folder = cacheFolder(options);
  const kept: [what: string, files: KeptFiles][] = [
    ['readings', keptReadings(readingsFolder(options))],
    ['pictures', keptPictures(picturesFolder(options))],
    ['descriptions', keptDescriptions(picturesFolder(options))],
  ];
  if (action === 'clear') {
    let removed = loadAddon().clearDiskCache(folder);
    for (const [, files] of kept) removed += await files.clear();
    process.stdout.write(
      options.flag('json')
        ? `${JSON.stringify({ removed, folder })}\n`
        : `Removed ${removed} files from ${folder}\n`,
    );
  } else if (action === 'list') {
    const entries = loadAddon().listDiskCache(folder);
    const listed = await Promise.all(kept.map(([, files]) => files.list()));
    if (options.flag('json'))
      return void process.stdout.write(`${JSON.stringify([...entries, ...listed.flat()])}\n`);
    const now = Date.now() / 1000;
    for (const { file, bytes, usedAt, tokens, identity } of entries) {
      process.stdout.write(
        `${megabytes(bytes).padStart(9)} MB ${String(tokens).padStart(7)} tokens  used ${age(now - usedAt)} ago  ${weightsOf(identity)}  ${file}\n`,
      );
    }
    process.stdout.write(`${entries.length} prefixes (${megabytes(sum(entries))} MB) in ${folder}\n`);
    for (const [at, [what, { folder: place }]] of kept.entries())
      process.stdout.write(`${listed[at]!.length} ${what} (${megabytes(sum(listed[at]!))} MB) in ${place}\n`);
  } else {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `Expected list or clear but received "${action}"; see afterimage --help.`,
    );
  }
}

function sum(entries: { bytes: number }[]): number {
  return entries.reduce((all, { bytes }) => all + bytes, 0);
}

/** Which model a prefix belongs to: the beginning of its weights' digest. */
function weightsOf(identity: string): string {
  const digest = /^weights ([0-9a-f]+)/m.exec(identity)?.[1] ?? 'unknown';
  return `weights ${digest.slice(0, 8)}`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function age(seconds: number): string {
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
}
