// A conversation → the token rows of one request: ids, positions, image spans under their keys.
import { AfterimageError } from '../errors.js';
import { decoderWidths } from '../graph/program.js';
import type { ImageInput, RgbImage } from '../image/rgb-image.js';
import type { WeightFiles } from '../models/checkpoint/weights-content.js';
import type { ImagePlan, Model } from '../models/family.js';
import { linearPositions, mropePositions } from '../models/positions.js';
import type { Message } from '../prompt/message.js';
import type { Prompt, PromptBuilder } from '../prompt/prompt.js';
import type { Tokenizer } from '../prompt/tokenizer.js';
import type { Answer } from './engine.js';
import { imageKey } from './image-key.js';
import type { NativePrompt } from './native-engine.js';
import type { Sight } from './sight.js';

export interface PreparedImage {
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

export class PromptRows {
  readonly #prompts: PromptBuilder;
  readonly #model: Model;
  readonly #weights: WeightFiles;
  readonly #digest: string;
  readonly #sight: Sight;

  /** @param digest Of all that is the same for every image: part of its key. */
  constructor(prompts: PromptBuilder, model: Model, sight: Sight, weights: WeightFiles, digest: string) {
    this.#prompts = prompts;
    this.#model = model;
    this.#sight = sight;
    this.#weights = weights;
    this.#digest = digest;
  }

  get tokenizer(): Tokenizer {
    return this.#prompts.tokenizer;
  }

  /**
   * @param answer Tokens with which the answer begins.
   * @throws AfterimageError IMAGE_UNSUPPORTED (size), CONTEXT_FULL, INVALID_ARGUMENT (no token of the model),
   *   MODEL_CHANGED
   */
  async prepare(messages: Message[], answer: readonly number[] = []): Promise<PreparedPrompt> {
    this.#weights.check();
    this.#checkTokens(answer);
    const asked = await this.#prompts.buildApart(messages);
    const prompt = answered(asked, answer);
    const { ids, images: inputs, plans } = prompt;
    if (ids.length >= this.#model.contextLength) throw this.#contextFull(ids.length, inputs.length);
    const images = inputs.map((input, i) => ({
      input,
      plan: plans[i]!,
      key: imageKey(this.#digest, this.#sight.of(input), input, plans[i]!),
    }));
    // What the model answers is causal even where the prompt sees itself whole.
    const prefixLength = this.#model.visibility === 'prefix' ? asked.ids.length : 0;
    return {
      native: this.#native(prompt, images, prefixLength),
      question: asked.ids,
      images,
      viewed: plans.map(({ viewedWidth, viewedHeight, tokens }) => ({
        width: viewedWidth,
        height: viewedHeight,
        tokens,
      })),
    };
  }

  /** Tokens of answers as the model would give them. @throws AfterimageError INVALID_ARGUMENT */
  async answers(texts: readonly string[]): Promise<Int32Array[]> {
    return (await this.#prompts.answerIds(texts)).map((ids) => Int32Array.from(ids));
  }

  #native(
    { ids, featureIndex, spans, turnEnds }: Prompt,
    images: PreparedPrompt['images'],
    prefixLength: number,
  ): NativePrompt {
    const grids = spans.flatMap(({ start, image }) => {
      const { grid } = images[image]!.plan;
      return grid ? [{ start: start + featureIndex.subarray(start).findIndex((row) => row >= 0), grid }] : [];
    });
    const positions =
      this.#model.positionAxes === 3 ? mropePositions(ids.length, grids) : linearPositions(ids.length);
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
  #checkTokens(ids: readonly number[]): void {
    if (ids.length === 0) return;
    const { vocab } = decoderWidths(this.#model.decoder);
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
      `The prompt has ${tokens} tokens but the model reads at most ${this.#model.contextLength}; ${remedy}.`,
    );
  }
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

/** The prompt with the beginning of its answer, whose tokens are text whatever their ids. */
function answered(prompt: Prompt, answer: readonly number[]): Prompt {
  if (answer.length === 0) return prompt;
  return {
    ...prompt,
    ids: Int32Array.from([...prompt.ids, ...answer]),
    featureIndex: Int32Array.from([...prompt.featureIndex, ...answer.map(() => -1)]),
  };
}
