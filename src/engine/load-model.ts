// A checkpoint folder → a model that can answer: family, processor, prompt rules and weights, in this order.
import { dirname, join } from 'node:path';
import { decoderWidths } from '../graph/program.js';
import type { Checkpoint } from '../models/checkpoint/checkpoint.js';
import { WeightFiles } from '../models/checkpoint/weights-content.js';
import type { Model } from '../models/family.js';
import { openModel } from '../models/registry.js';
import { PromptBuilder } from '../prompt/prompt.js';
import { leastBytes, type Budgets } from './budgets.js';
import type { ModelInfo, Progress } from './engine.js';
import { LoadedModel } from './loaded-model.js';
import { isBundled, modelName, starterFolder } from './model-folder.js';
import type { NativeEngineOptions } from './native-engine.js';
import { leastMemory, requireMemory, SCREEN } from './memory-need.js';
import { addonReady, loadAddon, type BackendName, type KvType, type Precision } from './native.js';
import { chosenProcessor, type ImageDetail } from './chosen-processor.js';
import { PromptRows } from './prompt-rows.js';
import { scriptsIdentity } from './scripts-identity.js';
import { Sight } from './sight.js';
import { measuredPixels } from './measured-pace.js';
import { usableMemory, type UsableMemory } from './usable-memory.js';

export interface LocalEngineOptions extends ImageDetail {
  /** Checkpoint folder; absent: the bundled starter model. */
  model?: string;
  /** Default: fast for quantized weights, exact otherwise. */
  precision?: Precision;
  backend?: BackendName;
  threads?: number;
  kvType?: KvType;
  /** Time for a call: on a slow machine pictures are seen so small that a screen is answered within it. */
  answerMs?: number;
  /** Those that are absent follow from the memory there is. */
  budgets?: Partial<Budgets>;
  /** Asked when loading begins; absent: what the system says. */
  memory?: UsableMemory | (() => UsableMemory);
  /** Folder of the disk tier; absent: none. Its parent must exist. */
  cacheFolder?: string;
  cacheBytes?: number;
  cacheMaxAgeSeconds?: number;
}

const GIB = 2 ** 30;
const DAY = 86_400;
const CHUNK_ROWS = 256;

/**
 * @param signal Ends loading at the next weight.
 * @throws AfterimageError MODEL_NOT_FOUND, MODEL_UNSUPPORTED, MODEL_CHANGED, INVALID_CHECKPOINT, OUT_OF_MEMORY, NATIVE_MISSING, NATIVE_BUILDING
 */
export async function loadModel(
  options: LocalEngineOptions,
  onProgress: (progress: Progress) => void,
  signal?: AbortSignal,
): Promise<LoadedModel> {
  await addonReady(onProgress, { signal });
  onProgress({ stage: 'load', done: 0 });
  const folder = options.model ?? starterFolder();
  const { checkpoint, model: whole } = openModel(folder);
  const model = { ...whole, processor: chosenProcessor(whole, options) };
  const sight = new Sight(model.processor);
  const prompts = await PromptBuilder.open(checkpoint, model, (image) => sight.of(image));
  const precision = precisionOf(options, checkpoint);
  const weights = new WeightFiles(checkpoint.files);
  const unbudgeted = nativeOptions(options, checkpoint, model, precision);
  const memory = typeof options.memory === 'function' ? options.memory() : (options.memory ?? usableMemory());
  const budgets = requireMemory(modelName(checkpoint.folder), unbudgeted, model, memory, options.budgets);
  const native = new (loadAddon().Engine)({ ...unbudgeted, budgets });
  const stop = (): void => void native.close();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const [loaded, content] = await Promise.all([
      native.load((done, total) => onProgress({ stage: 'load', done, total })),
      contentDigest(weights, options.cacheFolder),
    ]);
    weights.check();
    const info = {
      ...infoOf(checkpoint, model, precision, loaded.backend),
      readsAlong: prompts.tokenizer.spellsReadings,
    };
    const digest = [loaded.digest, content, scriptsIdentity()].join(' ');
    const rows = new PromptRows(prompts, model, sight, weights, digest);
    const { maxPixels, imageTokens } = options;
    const ready = new LoadedModel(
      info,
      native,
      rows,
      model,
      sight,
      { folder: checkpoint.folder, maxPixels, imageTokens, tokenIds: checkpoint.tokenIds },
      budgets,
    );
    sight.decide(await measuredPixels(ready, loaded.digest, options));
    return ready;
  } catch (error) {
    await native.close();
    // What a file that was replaced meanwhile seems to say is not what is wrong.
    weights.check();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** Bytes that looking at a screen takes at least, weights included. @throws AfterimageError as `loadModel`. */
export function memoryToLook(options: LocalEngineOptions): number {
  const { checkpoint, model: whole } = openModel(options.model ?? starterFolder());
  const model = { ...whole, processor: chosenProcessor(whole, options) };
  const native = nativeOptions(options, checkpoint, model, precisionOf(options, checkpoint));
  const [least] = leastMemory(native, model, [model.processor.plan(SCREEN.width, SCREEN.height)]);
  return leastBytes(least!);
}

function precisionOf({ precision }: LocalEngineOptions, checkpoint: Checkpoint): Precision {
  return precision ?? (isQuantized(checkpoint) ? 'fast' : 'exact');
}

function infoOf(
  { folder }: Checkpoint,
  model: Model,
  precision: Precision,
  backend: string,
): Omit<ModelInfo, 'readsAlong'> {
  const { modelType, contextLength, boxes } = model;
  const parameters = parameterCount(model);
  const bundled = isBundled(folder);
  return {
    name: modelName(folder),
    bundled,
    modelType,
    parameters,
    precision,
    backend,
    contextLength,
    boxes,
  };
}

/** Budgets are left at nothing. */
export function nativeOptions(
  options: LocalEngineOptions,
  checkpoint: Checkpoint,
  model: Model,
  precision: Precision,
): NativeEngineOptions {
  return {
    backend: options.backend ?? 'cpu',
    threads: options.threads ?? 0,
    precision,
    kvType: options.kvType ?? 'f16',
    chunkRows: CHUNK_ROWS,
    // Decided once it is known what the model needs.
    budgets: { kvBytes: 0, featureBytes: 0, scratchBytes: 0 },
    disk: {
      folder: options.cacheFolder ?? '',
      maxBytes: options.cacheBytes ?? 8 * GIB,
      maxAgeSeconds: options.cacheMaxAgeSeconds ?? 30 * DAY,
    },
    files: checkpoint.files,
    vision: JSON.stringify(model.vision),
    decoder: JSON.stringify(model.decoder),
    traits: {
      positionAxes: model.positionAxes,
      visibility: model.visibility,
      ...decoderWidths(model.decoder),
      context: model.contextLength,
    },
  };
}

/** Of the weights' whole content where something of them outlives this process; in it they cannot change unnoticed. */
async function contentDigest(weights: WeightFiles, cacheFolder?: string): Promise<string> {
  return cacheFolder === undefined ? '' : weights.digest(join(dirname(cacheFolder), 'weights'));
}

function isQuantized({ config }: Checkpoint): boolean {
  return config['quantization'] !== undefined || config['quantization_config'] !== undefined;
}

/** Logical weights of both programs, each counted once. */
function parameterCount({ vision, decoder }: Model): number {
  const sizes = new Map(
    [...vision.weights, ...decoder.weights].map(({ name, shape }) => [
      name,
      shape.reduce((a, b) => a * b, 1),
    ]),
  );
  return [...sizes.values()].reduce((a, b) => a + b, 0);
}
