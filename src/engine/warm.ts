// What is computed of images before anyone asks about them.
import type { ImageInput } from '../image/rgb-image.js';
import { systemMessage, userMessage } from '../prompt/layout.js';
import type { LoadedModel } from './loaded-model.js';
import { imagesOnly, type PreparedPrompt } from './prompt-rows.js';

/**
 * Computes the canonical beginning of every question about these images, when nothing else is to be done; of a model
 * whose prompt sees itself whole only the features, because its rows depend on the question.
 */
export async function warm(model: LoadedModel, images: ImageInput[], signal?: AbortSignal): Promise<void> {
  try {
    const whole = await model.prompts.prepare([systemMessage(), userMessage(images, '')], [], signal);
    await compute(model, model.causal ? imagesOnly(whole) : whole, signal);
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

async function compute(model: LoadedModel, prompt: PreparedPrompt, signal?: AbortSignal): Promise<void> {
  const { request, needed } = await model.admit(
    prompt,
    { maxTokens: 0, lowPriority: true, choices: [] },
    signal,
  );
  const cancel = (): void => model.native.cancel(request);
  if (signal?.aborted) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    await model.encodeMissing(request, prompt, needed);
    const nobody = (): void => {};
    if (model.causal) await model.native.generate(request, model.sampling({}), nobody, nobody);
  } finally {
    signal?.removeEventListener('abort', cancel);
    // The features may be all that was wanted; a request that has ended is unknown.
    cancel();
  }
}
