// afterimage cache
import { loadAddon } from '../engine/native.js';
import { AfterimageError } from '../errors.js';
import { clearReadings, listReadings } from '../reading/reading-cache.js';
import { nativeReady } from './native-ready.js';
import { cacheFolder } from './open-engine.js';
import { readingsFolder } from './open-reader.js';
import type { Options } from './options.js';

/** `afterimage cache list|clear` */
export async function cache(options: Options): Promise<void> {
  const [action = 'list'] = options.positionals;
  await nativeReady();
  const folder = cacheFolder(options);
  const readings = readingsFolder(options);
  if (action === 'clear') {
    const removed = loadAddon().clearDiskCache(folder) + (await clearReadings(readings));
    process.stdout.write(
      options.flag('json')
        ? `${JSON.stringify({ removed, folder })}\n`
        : `Removed ${removed} files from ${folder}\n`,
    );
  } else if (action === 'list') {
    const entries = loadAddon().listDiskCache(folder);
    const read = await listReadings(readings);
    if (options.flag('json')) return void process.stdout.write(`${JSON.stringify([...entries, ...read])}\n`);
    const now = Date.now() / 1000;
    for (const { file, bytes, usedAt, tokens, identity } of entries) {
      process.stdout.write(
        `${megabytes(bytes).padStart(9)} MB ${String(tokens).padStart(7)} tokens  used ${age(now - usedAt)} ago  ${weightsOf(identity)}  ${file}\n`,
      );
    }
    process.stdout.write(`${entries.length} prefixes (${megabytes(sum(entries))} MB) in ${folder}\n`);
    process.stdout.write(`${read.length} readings (${megabytes(sum(read))} MB) in ${readings}\n`);
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
