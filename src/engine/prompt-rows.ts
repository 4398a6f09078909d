// A conversation → the token rows of one request: ids, positions, image spans under their keys.
import { AfterimageError } from '../errors.js';
import type { ImageInput, RgbImage } from '../image/rgb-image.js';
import type { WeightFiles } from '../models/checkpoint/weights-content.js';
import type { ImagePlan } from '../models/family.js';
import type { Message } from '../prompt/message.js';
import { thoughtBegun } from '../prompt/thoughts.js';
import type { TextSource } from './answer-reader.js';
import type { CheckpointThread, ThreadPrompt } from './checkpoint-thread.js';
import type { Answer } from './engine.js';
import { imageKey } from './image-key.js';
import { labelOf } from './kept-label.js';
import type { NativePrompt } from './native-engine.js';
import type { Sight } from './sight.js';

export interface PreparedImage {
  input: ImageInput;
  plan: ImagePlan;
  /** Of the processor that sees it. */
  identity: string;
  key: Uint8Array;
  /** Once they have been fetched. */
  pixels?: RgbImage;
}

export interface PreparedPrompt {
  native: NativePrompt;
  /** Tokens before the answer; `native.ids` may go on with the beginning of one. */
  question: Int32Array;
  /** Ends the thoughts that the prompt has begun, where it has. */
  thoughtMark: string | undefined;
  /** In prompt order; an image that occurs twice occurs twice. */
  images: PreparedImage[];
  viewed: Answer['viewed'];
}

export class PromptRows {
  readonly #checkpoint: CheckpointThread;
  readonly #weights: WeightFiles;
  readonly #digest: string;
  readonly #sight: Sight;
  readonly #name: string;

  /**
   * @param digest Of all that is the same for every image: part of its key.
   * @param name Of the model, for listings.
   */
  constructor(
    checkpoint: CheckpointThread,
    sight: Sight,
    weights: WeightFiles,
    digest: string,
    name: string,
  ) {
    this.#checkpoint = checkpoint;
    this.#sight = sight;
    this.#weights = weights;
    this.#digest = digest;
    this.#name = name;
  }

  /** The text of an answer's tokens. @param question Tokens before it. */
  textAfter(question: Int32Array): TextSource {
    return this.#checkpoint.textAfter(question);
  }

  /**
   * @param answer Tokens with which the answer begins.
   * @param gone Whether anybody still waits for it.
   * @throws AfterimageError CANCELLED, IMAGE_UNSUPPORTED (size), CONTEXT_FULL, INVALID_ARGUMENT (no token of the model),
   *   MODEL_CHANGED
   */
  async prepare(
    messages: Message[],
    answer: readonly number[] = [],
    gone?: AbortSignal,
  ): Promise<PreparedPrompt> {
    this.#weights.check();
    this.#checkTokens(answer);
    const inputs = messages.flatMap(imagesOf);
    const limitOf = (image: ImageInput): number | undefined => this.#sight.limitOf(image);
    const prompt = await this.#checkpoint.prompt(messages, limitOf, answer, gone);
    const { contextLength, visibility } = this.#checkpoint.facts;
    if (prompt.ids.length >= contextLength) throw this.#contextFull(prompt.ids.length, inputs.length);
    const images = inputs.map((input, i) => {
      const [plan, identity] = [prompt.plans[i]!, prompt.identities[i]!];
      return { input, plan, identity, key: imageKey(this.#digest, identity, input, plan) };
    });
    // What the model answers is causal even where the prompt sees itself whole.
    const prefixLength = visibility === 'prefix' ? prompt.question.length : 0;
    return {
      native: nativePrompt(prompt, images, prefixLength, this.#name),
      question: prompt.question,
      thoughtMark: thoughtBegun(prompt.rendered),
      images,
      viewed: prompt.plans.map(({ viewedWidth, viewedHeight, tokens }) => ({
        width: viewedWidth,
        height: viewedHeight,
        tokens,
      })),
    };
  }

  /** Tokens that end thoughts. */
  closing(mark: string): Promise<readonly number[]> {
    return this.#checkpoint.closing(mark);
  }

  /** Tokens of answers as the model would give them. @throws AfterimageError INVALID_ARGUMENT */
  answers(texts: readonly string[]): Promise<Int32Array[]> {
    return this.#checkpoint.answers(texts);
  }

  /** Tokens of a text that an answer may repeat. */
  expected(text: string): Promise<Int32Array> {
    return this.#checkpoint.expected(text);
  }

  /** They come from whoever asks, and native code looks rows up by them. */
  #checkTokens(ids: readonly number[]): void {
    const { vocab } = this.#checkpoint.facts;
    const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocab);
    if (wrong === undefined) return;
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `${wrong} is no token of this model, so its answer cannot be continued; ask the question anew.`,
    );
  }

  #contextFull(tokens: number, images: number): AfterimageError {
    const remedy =
      images > 1 ? 'ask about fewer images at once' : 'ask a shorter question or use --max-pixels';
    return new AfterimageError(
      'CONTEXT_FULL',
      `The prompt has ${tokens} tokens but the model reads at most ${this.#checkpoint.facts.contextLength}; ${remedy}.`,
    );
  }
}

function imagesOf({ content }: Message): ImageInput[] {
  return content.flatMap((part) => (part.type === 'image' ? [part.image] : []));
}

function nativePrompt(
  { ids, positionIds, ropeDelta, featureIndex, spans, turnEnds }: ThreadPrompt,
  images: PreparedImage[],
  prefixLength: number,
  model: string,
): NativePrompt {
  return {
    ids,
    positionIds,
    featureIndex,
    spans: spans.map(({ start, end, image }) => ({
      start,
      end,
      key: images[image]!.key,
      symbols: images[image]!.plan.symbols,
      label: labelOf(model, images[image]!.input),
    })),
    marks: Int32Array.from(turnEnds),
    ropeDelta,
    prefixLength,
  };
}

/**
 * The prompt up to the end of its last image: what every question about these images begins with. Positions do not depend
 * on what follows.
 */
export function imagesOnly({ native, ...prompt }: PreparedPrompt): PreparedPrompt {
  const end = native.spans.at(-1)?.end ?? 0;
  const axes = native.positionIds.length / native.ids.length;
  return {
    ...prompt,
    native: {
      ...native,
      ids: native.ids.slice(0, end),
      positionIds: native.positionIds.slice(0, end * axes),
      featureIndex: native.featureIndex.slice(0, end),
      marks: native.marks.filter((mark) => mark <= end),
    },
  };
}
