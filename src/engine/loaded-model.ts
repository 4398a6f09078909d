// A checkpoint made ready to answer: family, prompt rules and native engine together. Turns conversations into prompts
// of token rows and images into vision inputs.
import { dirname, join } from 'node:path';
import { AfterimageError } from '../errors.js';
import type { Checkpoint } from '../models/checkpoint/checkpoint.js';
import { decoderWidths } from '../graph/program.js';
import type { ImagePlan, Model, NamedTensor } from '../models/family.js';
import { linearPositions, mropePositions } from '../models/positions.js';
import { openModel } from '../models/registry.js';
import { systemMessage, userMessage } from '../prompt/layout.js';
import { PromptBuilder, type Prompt } from '../prompt/prompt.js';
import type { Tokenizer } from '../prompt/tokenizer.js';
import { defaultBudgets } from './budgets.js';
import type { Answer, AskOptions, ModelInfo, Progress } from './engine.js';
import type { ImageInput, RgbImage } from '../image/rgb-image.js';
import type { Message } from '../prompt/message.js';
import { workers } from '../work/pool.js';
import type * as work from './vision-work.js';
import { WeightFiles } from '../models/checkpoint/weights-content.js';
import { scriptsIdentity } from './scripts-identity.js';
import { imageKey } from './image-key.js';
import { isBundled, modelName, starterFolder } from './model-folder.js';
import type {
  NativeEngine,
  NativeEngineOptions,
  NativeGenerateOptions,
  NativePlan,
  NativePrompt,
} from './native-engine.js';
import { loadAddon, type BackendName, type KvType, type Precision } from './native.js';

export interface LocalEngineOptions {
  /** Checkpoint folder; absent: the bundled starter model. */
  model?: string;
  /** Default: fast for quantized weights, exact otherwise. */
  precision?: Precision;
  backend?: BackendName;
  threads?: number;
  kvType?: KvType;
  /** Largest size in which an image is looked at, in pixels. */
  maxPixels?: number;
  budgets?: NativeEngineOptions['budgets'];
  /** Folder of the disk tier; absent: none. Its parent must exist. */
  cacheFolder?: string;
  cacheBytes?: number;
  cacheMaxAgeSeconds?: number;
}

interface PreparedImage {
  input: ImageInput;
  plan: ImagePlan;
  key: Uint8Array;
  /** Once they have been fetched. */
  pixels?: RgbImage;
}

export interface PreparedPrompt {
  native: NativePrompt;
  /** Tokens before the answer; `native.ids` may go on with the beginning of one. */
  question: Int32Array;
  /** In prompt order; an image that occurs twice occurs twice. */
  images: PreparedImage[];
  viewed: Answer['viewed'];
}

const GIB = 2 ** 30;
const DAY = 86_400;
const CHUNK_ROWS = 256;

const visionInputs = workers.job<typeof work.visionInputs>(import.meta.url, './vision-work', 'visionInputs');

export class LoadedModel {
  private constructor(
    readonly info: ModelInfo,
    readonly native: NativeEngine,
    private readonly prompts: PromptBuilder,
    private readonly model: Model,
    private readonly weights: WeightFiles,
    /** What other threads make the processor of. */
    private readonly source: { folder: string; maxPixels?: number },
    /** Of all that is the same for every image. */
    private readonly digest: string,
  ) {}

  /**
   * @param signal Ends loading at the next weight.
   * @throws AfterimageError MODEL_NOT_FOUND, MODEL_UNSUPPORTED, INVALID_CHECKPOINT, OUT_OF_MEMORY, NATIVE_MISSING
   */
  static async open(
    options: LocalEngineOptions,
    onProgress: (progress: Progress) => void,
    signal?: AbortSignal,
  ): Promise<LoadedModel> {
    onProgress({ stage: 'load', done: 0 });
    const folder = options.model ?? starterFolder();
    const { checkpoint, model: whole } = openModel(folder);
    const model = limited(whole, options.maxPixels);
    const prompts = await PromptBuilder.open(checkpoint.folder, model);
    const precision = options.precision ?? (isQuantized(checkpoint) ? 'fast' : 'exact');
    const weights = new WeightFiles(checkpoint.files);
    const native = new (loadAddon().Engine)(nativeOptions(options, checkpoint, model, precision));
    const stop = (): void => void native.close();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const [loaded, content] = await Promise.all([
        native.load((done, total) => onProgress({ stage: 'load', done, total })),
        contentDigest(weights, options.cacheFolder),
      ]);
      weights.check();
      const info: ModelInfo = {
        name: modelName(checkpoint.folder),
        modelType: model.modelType,
        parameters: parameterCount(model),
        precision,
        backend: loaded.backend,
        contextLength: model.contextLength,
        bundled: isBundled(checkpoint.folder),
        boxes: model.boxes,
      };
      const digest = [loaded.digest, content, scriptsIdentity()].join(' ');
      const source = { folder: checkpoint.folder, maxPixels: options.maxPixels };
      return new LoadedModel(info, native, prompts, model, weights, source, digest);
    } catch (error) {
      await native.close();
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /**
   * @param answer Tokens with which the answer begins.
   * @throws AfterimageError IMAGE_UNSUPPORTED (size), CONTEXT_FULL, INVALID_ARGUMENT (no token of the model),
   *   MODEL_CHANGED
   */
  async prepare(messages: Message[], answer: readonly number[] = []): Promise<PreparedPrompt> {
    this.weights.check();
    this.checkTokens(answer);
    const asked = await this.prompts.buildApart(messages);
    const prompt = answered(asked, answer);
    const { ids, images: inputs, plans } = prompt;
    if (ids.length >= this.model.contextLength) throw this.contextFull(ids.length, inputs.length);
    const images = inputs.map((input, i) => ({
      input,
      plan: plans[i]!,
      key: imageKey(this.digest, this.model.processor, input, plans[i]!),
    }));
    // What the model answers is causal even where the prompt sees itself whole.
    const prefixLength = this.model.visibility === 'prefix' ? asked.ids.length : 0;
    return {
      native: this.nativePrompt(prompt, images, prefixLength),
      question: asked.ids,
      images,
      viewed: plans.map(({ viewedWidth, viewedHeight, tokens }) => ({
        width: viewedWidth,
        height: viewedHeight,
        tokens,
      })),
    };
  }

  /**
   * A request that has been given the memory it needs. Where another process still owes pixels, it gives the memory back
   * until they are here: nobody waits behind a program that is silent.
   * @returns with the keys of the images to be encoded.
   */
  async admit(
    prompt: PreparedPrompt,
    options: { maxTokens: number; lowPriority: boolean },
    stop?: AbortSignal,
  ): Promise<{ request: number; needed: Uint8Array[] }> {
    for (;;) {
      const { request, plan } = this.native.begin(prompt.native, options);
      const needed = await this.planned(request, plan, stop);
      const owed = needed.map((key) => imageOf(prompt, key)).filter(isOwed);
      if (owed.length === 0) return { request, needed };
      this.native.cancel(request);
      for (const image of owed) image.pixels = await image.input.pixels();
    }
  }

  private async planned(
    request: number,
    plan: Promise<NativePlan>,
    stop?: AbortSignal,
  ): Promise<Uint8Array[]> {
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
      await this.native.encode(request, key, await this.inputs(pixels, image.plan));
    }
  }

  private inputs(image: RgbImage, plan: ImagePlan): Promise<Record<string, NamedTensor>> {
    const { identity } = this.model.processor;
    return visionInputs({ ...this.source, identity, image, plan });
  }

  /**
   * Computes the canonical beginning of every question about these images, when nothing else is to be done; of a model
   * whose prompt sees itself whole only the features, because its rows depend on the question.
   */
  async warm(images: ImageInput[], signal?: AbortSignal): Promise<void> {
    const whole = await this.prepare([systemMessage(), userMessage(images, '')]);
    const end = whole.native.spans.at(-1)?.end ?? 0;
    const shared = this.model.visibility !== 'prefix';
    const prompt = shared ? { ...whole, native: truncated(whole.native, end) } : whole;
    try {
      await this.compute(prompt, shared, signal);
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
  }

  private async compute(prompt: PreparedPrompt, rows: boolean, signal?: AbortSignal): Promise<void> {
    const { request, needed } = await this.admit(prompt, { maxTokens: 0, lowPriority: true }, signal);
    const cancel = (): void => this.native.cancel(request);
    if (signal?.aborted) cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      await this.encodeMissing(request, prompt, needed);
      const nobody = (): void => {};
      if (rows) await this.native.generate(request, this.sampling({}), nobody, nobody);
    } finally {
      signal?.removeEventListener('abort', cancel);
      // The features may be all that was wanted; a request that has ended is unknown.
      this.native.cancel(request);
    }
  }

  get tokenizer(): Tokenizer {
    return this.prompts.tokenizer;
  }

  sampling(options: AskOptions): NativeGenerateOptions {
    return {
      temperature: options.temperature ?? 0,
      topK: options.topK ?? 0,
      topP: options.topP ?? 1,
      minP: options.minP ?? 0,
      repetitionPenalty: options.repetitionPenalty ?? 1,
      seed: options.seed ?? 0,
      stopIds: Int32Array.from(this.model.eosTokenIds),
      captureLogits: options.certainty === true,
    };
  }

  close(): Promise<void> {
    return this.native.close();
  }

  private nativePrompt(
    { ids, featureIndex, spans, turnEnds }: Prompt,
    images: PreparedPrompt['images'],
    prefixLength: number,
  ): NativePrompt {
    const grids = spans.flatMap(({ start, image }) => {
      const { grid } = images[image]!.plan;
      return grid ? [{ start: start + featureIndex.subarray(start).findIndex((row) => row >= 0), grid }] : [];
    });
    const positions =
      this.model.positionAxes === 3 ? mropePositions(ids.length, grids) : linearPositions(ids.length);
    return {
      ids,
      positionIds: positions.data,
      featureIndex,
      spans: spans.map(({ start, end, image }) => ({
        start,
        end,
        key: images[image]!.key,
        symbols: images[image]!.plan.symbols,
      })),
      marks: Int32Array.from(turnEnds),
      ropeDelta: positions.ropeDelta,
      prefixLength,
    };
  }

  /** They come from whoever asks, and native code looks rows up by them. */
  private checkTokens(ids: readonly number[]): void {
    if (ids.length === 0) return;
    const { vocab } = decoderWidths(this.model.decoder);
    const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocab);
    if (wrong === undefined) return;
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `${wrong} is no token of this model, so its answer cannot be continued; ask the question anew.`,
    );
  }

  private contextFull(tokens: number, images: number): AfterimageError {
    const remedy =
      images > 1 ? 'ask about fewer images at once' : 'ask a shorter question or use --max-pixels';
    return new AfterimageError(
      'CONTEXT_FULL',
      `The prompt has ${tokens} tokens but the model reads at most ${this.model.contextLength}; ${remedy}.`,
    );
  }
}

function imageOf({ images }: PreparedPrompt, key: Uint8Array): PreparedImage {
  return images.find((candidate) => Buffer.compare(candidate.key, key) === 0)!;
}

function isOwed({ input, pixels }: PreparedImage): boolean {
  return input.owed === true && pixels === undefined;
}

function nativeOptions(
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
    budgets: options.budgets ?? defaultBudgets(),
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

/** The first `end` tokens, whose positions do not depend on what follows. */
function truncated(prompt: NativePrompt, end: number): NativePrompt {
  const axes = prompt.positionIds.length / prompt.ids.length;
  return {
    ...prompt,
    ids: prompt.ids.slice(0, end),
    positionIds: prompt.positionIds.slice(0, end * axes),
    featureIndex: prompt.featureIndex.slice(0, end),
    marks: prompt.marks.filter((mark) => mark <= end),
  };
}

function limited(model: Model, maxPixels?: number): Model {
  return maxPixels === undefined ? model : { ...model, processor: model.processor.limitedTo(maxPixels) };
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

/** The prompt with the beginning of its answer, whose tokens are text whatever their ids. */
function answered(prompt: Prompt, answer: readonly number[]): Prompt {
  if (answer.length === 0) return prompt;
  return {
    ...prompt,
    ids: Int32Array.from([...prompt.ids, ...answer]),
    featureIndex: Int32Array.from([...prompt.featureIndex, ...answer.map(() => -1)]),
  };
}
