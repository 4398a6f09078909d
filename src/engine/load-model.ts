// A checkpoint folder → a model that can answer: what the folder says, and weights, in this order.
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { WeightFiles } from '../models/checkpoint/weights-content.js';
import { CheckpointThread } from './checkpoint-thread.js';
import type { ModelFacts } from './checkpoint-work.js';
import type { ModelInfo, Progress } from './engine.js';
import { LoadedModel } from './loaded-model.js';
import { measuredPixels } from './measured-pace.js';
import { isBundled, modelName, starterFolder } from './model-folder.js';
import { addonReady, loadAddon, type Precision } from './native.js';
import type { LocalEngineOptions, ModelSettings } from './native-options.js';
import { PromptRows } from './prompt-rows.js';
import { Sight } from './sight.js';
import { usableMemory } from './usable-memory.js';

/**
 * @param signal Ends loading at the next weight.
 * @throws AfterimageError MODEL_NOT_FOUND, MODEL_UNSUPPORTED, MODEL_CHANGED, INVALID_CHECKPOINT, OUT_OF_MEMORY, NATIVE_MISSING, NATIVE_BUILDING
 */
export async function loadModel(
  { memory = usableMemory, ...options }: LocalEngineOptions,
  onProgress: (progress: Progress) => void,
  signal?: AbortSignal,
): Promise<LoadedModel> {
  await addonReady(onProgress, { signal });
  onProgress({ stage: 'load', done: 0 });
  const folder = options.model ?? starterFolder();
  const there = typeof memory === 'function' ? memory() : memory;
  const checkpoint = await CheckpointThread.open(folder, modelName(folder), options, there);
  try {
    return await withWeights(checkpoint, options, onProgress, signal);
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

async function withWeights(
  checkpoint: CheckpointThread,
  options: ModelSettings,
  onProgress: (progress: Progress) => void,
  signal?: AbortSignal,
): Promise<LoadedModel> {
  const { facts, native: settings } = checkpoint;
  const weights = new WeightFiles(settings.files);
  const native = new (loadAddon().Engine)(settings);
  const stop = (): void => void native.close();
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const [loaded, content] = await Promise.all([
      native.load((done, total) => onProgress({ stage: 'load', done, total })),
      contentDigest(weights, options.cacheFolder),
    ]);
    weights.check();
    const sight = new Sight();
    const digest = [loaded.digest, content, facts.scripts].join(' ');
    const { precision, kvType } = settings;
    const info = {
      ...infoOf(facts, precision, loaded.backend),
      identity: identityOf([digest, facts.identity, precision, kvType]),
    };
    const rows = new PromptRows(checkpoint, sight, weights, digest, info.name);
    const { maxPixels, imageTokens, vision } = options;
    const source = { folder: facts.folder, vision, maxPixels, imageTokens, tokenIds: facts.tokenIds };
    const ready = new LoadedModel(info, native, rows, checkpoint, sight, source);
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

function infoOf(facts: ModelFacts, precision: Precision, backend: string): ModelInfo {
  const { folder, modelType, parameters, contextLength, boxes, readsAlong } = facts;
  const shown = { modelType, parameters, precision, backend, contextLength, boxes, readsAlong };
  return { name: modelName(folder), bundled: isBundled(folder), ...shown };
}

function identityOf(parts: string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

/** Of the weights' whole content where something of them outlives this process; in it they cannot change unnoticed. */
async function contentDigest(weights: WeightFiles, cacheFolder?: string): Promise<string> {
  return cacheFolder === undefined ? '' : weights.digest(join(dirname(cacheFolder), 'weights'));
}
