// A model that can answer: its prompt rules and its native engine, ready together.
import type { RgbImage } from '../image/rgb-image.js';
import type { NamedTensor } from '../models/family.js';
import { workers } from '../workers/pool.js';
import type { Budgets } from './budgets.js';
import type { CheckpointThread } from './checkpoint-thread.js';
import type { ModelFacts } from './checkpoint-work.js';
import type { AskOptions, ModelInfo } from './engine.js';
import type {
  NativeEngine,
  NativeGenerateOptions,
  NativeGrammar,
  NativePlan,
  NativeRequestOptions,
} from './native-engine.js';
import type { Step } from './pace.js';
import type { PreparedImage, PreparedPrompt, PromptRows } from './prompt-rows.js';
import type { Sight } from './sight.js';
import type * as work from './vision-work.js';
import type { ProcessorSource } from './vision-work.js';

const visionInputs = workers.job<typeof work.visionInputs>(import.meta.url, './vision-work', 'visionInputs');

export class LoadedModel {
  readonly #info: ModelInfo;
  readonly native: NativeEngine;
  readonly prompts: PromptRows;
  readonly #checkpoint: CheckpointThread;
  readonly #source: ProcessorSource;
  readonly sight: Sight;
  /** Settles when native code knows the bytes of the tokens. */
  #vocabulary: Promise<void> | undefined;

  /** @param source What other threads make the processor of. */
  constructor(
    info: ModelInfo,
    native: NativeEngine,
    prompts: PromptRows,
    checkpoint: CheckpointThread,
    sight: Sight,
    source: ProcessorSource,
  ) {
    this.#info = info;
    this.sight = sight;
    this.native = native;
    this.prompts = prompts;
    this.#checkpoint = checkpoint;
    this.#source = source;
  }

  get info(): ModelInfo {
    const { usual } = this.sight;
    return { ...this.#info, ...(usual !== undefined && { usualPixels: usual }) };
  }

  get facts(): ModelFacts {
    return this.#checkpoint.facts;
  }

  /** Sizes in which a screen can be seen. */
  steps(): Promise<Step[]> {
    return this.#checkpoint.steps();
  }

  get budgets(): Budgets {
    return this.#checkpoint.native.budgets;
  }

  /** Whether a prompt's beginning is computed the same whatever follows. */
  get causal(): boolean {
    return this.facts.visibility !== 'prefix';
  }

  /**
   * A request that has been given the memory it needs. Where another process still owes pixels, it gives the memory back
   * until they are here: nobody waits behind a program that is silent.
   * @returns with the keys of the images to be encoded.
   */
  async admit(
    prompt: PreparedPrompt,
    options: NativeRequestOptions,
    stop?: AbortSignal,
  ): Promise<{ request: number; needed: Uint8Array[] }> {
    for (;;) {
      const { request, plan } = this.native.begin(prompt.native, options);
      const needed = await this.#planned(request, plan, stop);
      const owed = needed.map((key) => imageOf(prompt, key)).filter(isOwed);
      if (owed.length === 0) return { request, needed };
      this.native.cancel(request);
      for (const image of owed) image.pixels = await image.input.pixels();
    }
  }

  async #planned(request: number, plan: Promise<NativePlan>, stop?: AbortSignal): Promise<Uint8Array[]> {
    const cancel = (): void => this.native.cancel(request);
    if (stop?.aborted) cancel();
    stop?.addEventListener('abort', cancel, { once: true });
    try {
      return (await plan).needed;
    } finally {
      stop?.removeEventListener('abort', cancel);
    }
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
      const image = imageOf(prompt, key);
      const pixels = image.pixels ?? (await image.input.pixels());
      image.pixels = undefined;
      await this.native.encode(request, key, await this.#inputs(pixels, image));
    }
  }

  #inputs(image: RgbImage, { input, plan, identity }: PreparedImage): Promise<Record<string, NamedTensor>> {
    const limit = this.sight.limitOf(input);
    return visionInputs({ ...this.#source, limit, identity, image, plan });
  }

  sampling(options: AskOptions): NativeGenerateOptions {
    return {
      temperature: options.temperature ?? 0,
      topK: options.topK ?? 0,
      topP: options.topP ?? 1,
      minP: options.minP ?? 0,
      repetitionPenalty: options.repetitionPenalty ?? 1,
      seed: options.seed ?? 0,
      stopIds: Int32Array.from(this.facts.eosTokenIds),
      captureLogits: false,
      weighTokens: options.certainty === true,
      draft: true,
    };
  }

  /** @param begun Tokens with which the answer has begun. @throws AfterimageError MODEL_UNSUPPORTED and the schema's */
  async grammar(schema: object, begun: readonly number[] = []): Promise<NativeGrammar> {
    const { compileSchema } = await import('../schema/compile.js');
    const tables = compileSchema(schema);
    this.#vocabulary ??= this.#checkpoint
      .vocabulary()
      .then(({ bytes, ends }) => this.native.setVocabulary(bytes, ends));
    await this.#vocabulary;
    return { ...tables, begun: Int32Array.from(begun) };
  }

  close(): Promise<void> {
    this.#checkpoint.close();
    return this.native.close();
  }
}

function imageOf({ images }: PreparedPrompt, key: Uint8Array): PreparedImage {
  return images.find((candidate) => Buffer.compare(candidate.key, key) === 0)!;
}

function isOwed({ input, pixels }: PreparedImage): boolean {
  return input.owed === true && pixels === undefined;
}
