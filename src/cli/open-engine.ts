// The engine that the command line's options describe.
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { defaultBudgets } from '../engine/budgets.js';
import type { LocalEngineOptions } from '../engine/loaded-model.js';
import type { Engine } from '../engine/engine.js';
import { LocalEngine } from '../engine/local-engine.js';
import { findModel } from '../engine/model-folder.js';
import type { KvType } from '../engine/native.js';
import { RemoteEngine } from '../engine/remote/remote-engine.js';
import { defaultSocket, socketPath } from '../engine/remote/socket-file.js';
import { AfterimageError } from '../errors.js';
import type { ImageLimits } from '../image/decode.js';
import type { OptionName, Options } from './options.js';

const GIB = 2 ** 30;
const KV_TYPES: Record<string, KvType> = { '8': 'q8', '16': 'f16', '32': 'f32' };

/** What `afterimage serve` decides for all who share its engine. */
const OF_THE_ENGINE: OptionName[] = [
  'model',
  'precision',
  'backend',
  'threads',
  'kv-bits',
  'kv-gb',
  'max-pixels',
  'cache-dir',
  'no-disk-cache',
];

/** @throws AfterimageError INVALID_ARGUMENT, MODEL_NOT_FOUND */
export function openEngine(options: Options): Engine {
  if (!options.flag('remote')) {
    if (options.given('socket'))
      throw new AfterimageError('INVALID_ARGUMENT', '--socket goes with --remote; add it.');
    return new LocalEngine(engineOptions(options));
  }
  const misplaced = OF_THE_ENGINE.find((name) => options.given(name));
  if (misplaced) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `--${misplaced} cannot be chosen with --remote; give it to \`afterimage serve\`.`,
    );
  }
  return new RemoteEngine(socketOf(options));
}

/** @throws AfterimageError INVALID_ARGUMENT */
export function socketOf(options: Options): string {
  return socketPath(options.text('socket') ?? defaultSocket());
}

/** @throws AfterimageError INVALID_ARGUMENT, MODEL_NOT_FOUND */
export function engineOptions(options: Options): LocalEngineOptions {
  const bits = options.text('kv-bits');
  if (bits !== undefined && !Object.hasOwn(KV_TYPES, bits)) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `Expected 8, 16 or 32 for --kv-bits but received "${bits}".`,
    );
  }
  const budgets = defaultBudgets();
  const kvGb = options.number('kv-gb', 0.01, false);
  return {
    model: findModel(options.text('model')),
    precision: options.choice('precision', ['exact', 'fast', 'faster'] as const),
    backend: options.choice('backend', ['cpu', 'metal'] as const),
    threads: options.number('threads', 1),
    kvType: bits === undefined ? undefined : KV_TYPES[bits],
    maxPixels: options.number('max-pixels', 1024),
    budgets: kvGb === undefined ? budgets : { ...budgets, kvBytes: Math.floor(kvGb * GIB) },
    cacheFolder: options.flag('no-disk-cache') ? undefined : cacheFolder(options),
  };
}

/** Limits of image files. @throws AfterimageError INVALID_ARGUMENT */
export function imageLimits(options: Options): Partial<ImageLimits> {
  const maxBytes = options.number('max-bytes', 1);
  const megapixels = options.number('max-megapixels', 1, false);
  return {
    ...(maxBytes !== undefined && { maxBytes }),
    ...(megapixels !== undefined && { maxPixels: megapixels * 1e6 }),
  };
}

/** Made where absent; only its owner may look into it. */
export function cacheFolder(options: Options): string {
  const base =
    options.text('cache-dir') ??
    join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'afterimage');
  try {
    mkdirSync(base, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new AfterimageError(
      'IO_FAILED',
      `The cache folder "${base}" cannot be made; choose another with --cache-dir or use --no-disk-cache.`,
      { cause },
    );
  }
  return join(base, 'prefixes');
}
