// The pace of a model on this machine: measured by looking at screens of noise, once, and remembered beside the disk tier.
import { randomFillSync } from 'node:crypto';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { pixelIdentity } from '../image/key.js';
import { noteFile, recall, remember } from '../note.js';
import { describeQuestion, systemMessage, userMessage } from '../prompt/layout.js';
import { packageVersion } from '../version.js';
import type { LoadedModel } from './loaded-model.js';
import type { KvType } from './native-engine.js';
import { SCREEN, usualPixels, type Timed } from './pace.js';

const TOKENS = 4;

export interface PaceOptions {
  /** See `LocalEngineOptions`. */
  answerMs?: number;
  maxPixels?: number;
  kvType?: KvType;
  cacheFolder?: string;
}

/** What was measured in this process: where nothing is kept on disk it still stays as it was. */
const measured = new Map<string, number | undefined>();

/**
 * The bundled model answers in a second anywhere, and whoever chose a size has chosen.
 * @param digest Of the weights.
 * @returns as `usualPixels`
 */
export async function measuredPixels(
  model: LoadedModel,
  digest: string,
  { answerMs, maxPixels, kvType = 'f16', cacheFolder }: PaceOptions,
): Promise<number | undefined> {
  const { bundled, backend, precision, name } = model.info;
  if (answerMs === undefined || maxPixels !== undefined || bundled) return undefined;
  const { identity } = model.facts;
  const machine = [cpus()[0]?.model, cpus().length, backend];
  const subject = JSON.stringify([packageVersion(), digest, machine, precision, kvType, identity, answerMs]);
  const folder = cacheFolder === undefined ? undefined : join(dirname(cacheFolder), 'pace');
  const known = folder && recall(noteFile(folder, subject))?.maxPixels;
  if (known === null || typeof known === 'number') return known ?? undefined;
  if (!measured.has(subject))
    measured.set(subject, await usualPixels(await model.steps(), answerMs, (most) => timedLook(model, most)));
  const pixels = measured.get(subject);
  if (folder) remember(folder, noteFile(folder, subject), { model: name, maxPixels: pixels ?? null });
  return pixels;
}

/** Of a picture that was never seen: nothing of it is in any cache. */
async function timedLook(model: LoadedModel, maxPixels: number): Promise<Timed> {
  const image = { ...SCREEN, data: new Uint8Array(SCREEN.width * SCREEN.height * 3) };
  randomFillSync(image.data);
  const input = { ...pixelIdentity(image), maxPixels, pixels: async () => image };
  const asked = [systemMessage(), userMessage([input], describeQuestion('normal'))];
  const prompt = await model.prompts.prepare(asked);
  const { request, needed } = await model.admit(prompt, {
    maxTokens: TOKENS,
    lowPriority: false,
    choices: [],
  });
  try {
    await model.encodeMissing(request, prompt, needed);
    const nobody = (): void => {};
    // An answer that repeats itself is no measure for others.
    const sampling = { ...model.sampling({}), stopIds: new Int32Array(), draft: false };
    const { cache, decodeMs, tokens } = await model.native.generate(request, sampling, nobody, nobody);
    return {
      lookMs: cache.encodeMs + cache.prefillMs,
      tokenMs: decodeMs / Math.max(1, tokens.length - 1),
    };
  } finally {
    // Only where it failed; a request that has ended is unknown.
    model.native.cancel(request);
  }
}
