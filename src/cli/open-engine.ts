// The engine that the command line's options describe.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { LocalEngineOptions } from '../engine/native-options.js';
import type { Engine } from '../engine/engine.js';
import { LocalEngine } from '../engine/local-engine.js';
import { makeFolder } from '../make-folder.js';
import { InstalledModels } from '../engine/installed-models.js';
import { findModel, modelName, STARTER } from '../engine/model-folder.js';
import { copiesOf, isComplete, namesThere } from '../engine/model-places.js';
import type { KvType } from '../engine/native.js';
import { defaultSocket, socketPath } from '../engine/remote/socket-file.js';
import { baseFolder } from '../base-folder.js';
import { AfterimageError } from '../errors.js';
import type { ImageLimits } from '../image/limits.js';
import { engineKey } from './engine-key.js';
import { OPTIONS_OF_THE_ENGINE, type Options } from './options.js';

const GIB = 2 ** 30;
const MOST_GIB = 2 ** 20;
/** The time in which most clients want an answer, also where nobody says so: who sees the same shares what was seen. */
const ANSWER_MS = 50_000;
const KV_TYPES: Record<string, KvType> = { '8': 'q8', '16': 'f16', '32': 'f32' };

/** Only the kind that is asked for is loaded: a command is over before the others would be. @throws AfterimageError INVALID_ARGUMENT, MODEL_NOT_FOUND */
export async function openEngine(options: Options): Promise<Engine> {
  checkSharing(options);
  if (options.given('engine')) return elsewhere(options);
  if (!options.flag('remote')) return new LocalEngine(engineOptions(options));
  const { RemoteEngine } = await import('../engine/remote/remote-engine.js');
  return new RemoteEngine(socketOf(options));
}

/**
 * All models that are installed, for programs that run for long: the one of --model, else whatever is the default at the
 * time, where none is named. @throws AfterimageError INVALID_ARGUMENT, MODEL_NOT_FOUND
 */
export function openModels(options: Options): InstalledModels {
  const settings = settingsOf(options);
  const given = options.text('model');
  if (given !== undefined) findModel(given);
  return new InstalledModels({
    find: (name) => (name === undefined ? findModel(given) : folderNamed(name, given)),
    nameOf: modelName,
    names: () => installedNames(given),
    // Its vision weights belong to the model that they were given with.
    open: (model, memory) =>
      new LocalEngine({
        ...settings,
        model,
        memory,
        ...(given === undefined || model !== findModel(given) ? { vision: undefined } : {}),
      }),
  });
}

function installedNames(given: string | undefined): string[] {
  const whole = namesThere().filter((name) => copiesOf(name).some(({ folder }) => isComplete(folder)));
  return [...new Set([...usualName(given), STARTER, ...whole])];
}

/** The default may be a folder that is found by no name. */
function folderNamed(name: string, given: string | undefined): string {
  return usualName(given).includes(name) ? findModel(given) : findModel(name);
}

/** None where the default is not there any more. */
function usualName(given: string | undefined): string[] {
  try {
    return [modelName(findModel(given))];
  } catch (error) {
    if (error instanceof AfterimageError && error.code === 'MODEL_NOT_FOUND') return [];
    throw error;
  }
}

/** Whether the options describe an engine that is loaded in this process. */
export function isHere(options: Options): boolean {
  return !options.flag('remote') && !options.given('engine');
}

/** @throws AfterimageError INVALID_ARGUMENT, IO_FAILED */
async function elsewhere(options: Options): Promise<Engine> {
  const { CompletionsEngine } = await import('../engine/completions/completions-engine.js');
  return new CompletionsEngine({
    urls: options.list('engine'),
    model: options.text('engine-model'),
    key: engineKey(options.text('engine-key-file')),
    maxPixels: options.number('max-pixels', 1024),
  });
}

/** @throws AfterimageError INVALID_ARGUMENT for options that contradict each other. */
export function checkSharing(options: Options): void {
  const shared = options.flag('remote');
  if (!shared && options.given('socket')) {
    throw new AfterimageError('INVALID_ARGUMENT', '--socket goes with --remote; add it.');
  }
  checkElsewhere(options);
  const misplaced = shared && OPTIONS_OF_THE_ENGINE.find((name) => options.given(name));
  if (!misplaced) return;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `--${misplaced} cannot be chosen with --remote; give it to \`afterimage serve\`.`,
  );
}

/** @throws AfterimageError INVALID_ARGUMENT */
export function checkElsewhere(options: Options): void {
  if (!options.given('engine')) {
    const stray = (['engine-model', 'engine-key-file'] as const).find((name) => options.given(name));
    if (!stray) return;
    throw new AfterimageError('INVALID_ARGUMENT', `--${stray} goes with --engine URL; add it.`);
  }
  // In which size images are sent and what reads text here is ours to decide; all else is that server's.
  const others = OPTIONS_OF_THE_ENGINE.filter((name) => name !== 'max-pixels' && name !== 'reader');
  const misplaced = ([...others, 'remote'] as const).find((name) => options.given(name));
  if (!misplaced) return;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `--${misplaced} cannot be chosen with --engine, whose server decides it; leave one of them out.`,
  );
}

/** @throws AfterimageError INVALID_ARGUMENT */
export function socketOf(options: Options): string {
  return socketPath(options.text('socket') ?? defaultSocket());
}

/** @throws AfterimageError INVALID_ARGUMENT, MODEL_NOT_FOUND */
export function engineOptions(options: Options): LocalEngineOptions {
  return { ...settingsOf(options), model: findModel(options.text('model')) };
}

/** @throws AfterimageError INVALID_ARGUMENT */
function settingsOf(options: Options): LocalEngineOptions {
  const bits = options.text('kv-bits');
  if (bits !== undefined && !Object.hasOwn(KV_TYPES, bits)) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `Expected 8, 16 or 32 for --kv-bits but received "${bits}".`,
    );
  }
  const kvGb = options.number('kv-gb', 0.01, false, MOST_GIB);
  const vision = options.text('vision');
  return {
    precision: options.choice('precision', ['exact', 'fast', 'faster'] as const),
    backend: options.choice('backend', ['cpu', 'metal'] as const),
    threads: threadsOf(options),
    kvType: bits === undefined ? undefined : KV_TYPES[bits],
    maxPixels: options.number('max-pixels', 1024),
    imageTokens: options.number('image-tokens', 1),
    ...(vision !== undefined && { vision: findModel(vision) }),
    answerMs: options.number('deadline-ms', 100) ?? ANSWER_MS,
    budgets: kvGb === undefined ? {} : { kvBytes: Math.floor(kvGb * GIB) },
    cacheFolder: usableCacheFolder(options),
  };
}

/** More threads than cores only get into each other's way: they wait for one another by spinning. */
export function threadsOf(options: Options): number | undefined {
  const wanted = options.number('threads', 1);
  const cores = availableParallelism();
  if (wanted === undefined || wanted <= cores) return wanted;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `--threads ${wanted} is more than this machine has cores (${cores}); leave it out to use all of them.`,
  );
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

let warned = false;

/** Undefined where nothing is to be kept on disk, or cannot be in a place that nobody chose; that is said once. */
export function usableCacheFolder(options: Options): string | undefined {
  if (options.flag('no-disk-cache')) return undefined;
  try {
    return cacheFolder(options);
  } catch (error) {
    if (options.given('cache-dir')) throw error;
    if (!warned) process.stderr.write(`${(error as Error).message} Nothing is kept on disk until then.\n`);
    warned = true;
    return undefined;
  }
}

/** Made where absent; only its owner may look into it. */
export function cacheFolder(options: Options): string {
  const base = options.text('cache-dir') ?? join(baseFolder('XDG_CACHE_HOME', '.cache'), 'afterimage');
  try {
    makeFolder(base);
  } catch (cause) {
    throw new AfterimageError(
      'IO_FAILED',
      `The cache folder "${base}" cannot be made; choose another with --cache-dir or use --no-disk-cache.`,
      { cause },
    );
  }
  return join(base, 'prefixes');
}
