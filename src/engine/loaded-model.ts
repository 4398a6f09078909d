// A model that can answer: its prompt rules and its native engine, ready together.
import type { Model } from '../models/family.js';
import type { AskOptions, ModelInfo } from './engine.js';
import type { NativeEngine, NativeGenerateOptions } from './native-engine.js';
import type { PreparedPrompt, PromptRows } from './prompt-rows.js';

export class LoadedModel {
  readonly info: ModelInfo;
  readonly native: NativeEngine;
  readonly prompts: PromptRows;
  readonly #model: Model;

  constructor(info: ModelInfo, native: NativeEngine, prompts: PromptRows, model: Model) {
    this.info = info;
    this.native = native;
    this.prompts = prompts;
    this.#model = model;
  }

  /** Whether a prompt's beginning is computed the same whatever follows. */
  get causal(): boolean {
    return this.#model.visibility !== 'prefix';
  }

  /** Runs the vision encoder for the images the plan lists; an image that occurs twice runs once. */
  async encodeMissing(
    request: number,
    prompt: PreparedPrompt,
    needed: Uint8Array[],
    onProgress?: AskOptions['onProgress'],
  ): Promise<void> {
    for (const [i, key] of needed.entries()) {
      onProgress?.({ stage: 'encode', done: i, total: needed.length });
      const image = prompt.images.find((candidate) => Buffer.compare(candidate.key, key) === 0)!;
      const pixels = await image.input.pixels();
      await this.native.encode(request, key, this.#model.processor.inputs(pixels, image.plan));
    }
  }

  sampling(options: AskOptions): NativeGenerateOptions {
    return {
      temperature: options.temperature ?? 0,
      topK: options.topK ?? 0,
      topP: options.topP ?? 1,
      minP: options.minP ?? 0,
      repetitionPenalty: options.repetitionPenalty ?? 1,
      seed: options.seed ?? 0,
      stopIds: Int32Array.from(this.#model.eosTokenIds),
      captureLogits: false,
    };
  }

  close(): Promise<void> {
    return this.native.close();
  }
}
