// A checkpoint as this process uses it: opened in a thread that can be ended, where its tokenizer stays. What comes of it
// here is data.
import { AfterimageError } from '../errors.js';
import type { ImageInput } from '../image/rgb-image.js';
import type { ImagePlan } from '../models/family.js';
import type { Message } from '../prompt/message.js';
import { ANSWERED } from '../prompt/answered.js';
import { textAfter } from '../prompt/stream.js';
import type { Vocabulary } from '../prompt/vocabulary.js';
import { TemplateThread } from '../prompt/template-thread.js';
import { LimitedThread, TookTooLong } from '../workers/limited-thread.js';
import type { TextSource } from './answer-reader.js';
import type * as work from './checkpoint-work.js';
import type { CheckpointSource, ListedMessage, ModelFacts, TokenRows } from './checkpoint-work.js';
import type { NativeEngineOptions } from './native-engine.js';
import type { ModelSettings } from './native-options.js';
import type { Step } from './pace.js';
import type { UsableMemory } from './usable-memory.js';

/** The largest checkpoints take seconds on a slow machine. */
const OPENING_MS = 180_000;
/** A hundred thousand characters take less than a second; patterns of a hostile tokenizer take for ever. */
const MOST_MS = 5000;
const MOST_MS_PER_CHARACTER = 0.2;
/** The thread keeps the tokenizer for as long as anyone may ask. */
const IDLE_MS = 2 ** 31 - 1;

const thread = new LimitedThread<typeof work>(import.meta.url, './checkpoint-work', {
  idleTimeout: IDLE_MS,
});
const open = thread.job<typeof work.open>('open');
const steps = thread.job<typeof work.steps>('steps');
const draft = thread.job<typeof work.draft>('draft');
const finish = thread.job<typeof work.finish>('finish');
const answers = thread.job<typeof work.answers>('answers');
const expected = thread.job<typeof work.expected>('expected');
const closing = thread.job<typeof work.closing>('closing');
const vocabulary = thread.job<typeof work.vocabulary>('vocabulary');
const texts = thread.job<typeof work.texts>('texts');
const forget = thread.job<typeof work.forget>('forget');

/** The rows of a prompt, and what sees its images. */
export interface ThreadPrompt extends TokenRows {
  /** One for each image. */
  plans: ImagePlan[];
  /** Of the processor that sees each image. */
  identities: string[];
}

export class CheckpointThread {
  readonly #source: CheckpointSource;
  readonly #template: TemplateThread | undefined;
  readonly facts: ModelFacts;
  /** What the native engine is to be made of. */
  readonly native: NativeEngineOptions;

  /**
   * @param name Of the model, as people know it.
   * @throws AfterimageError MODEL_NOT_FOUND, MODEL_UNSUPPORTED, INVALID_CHECKPOINT, IO_FAILED, OUT_OF_MEMORY
   */
  static async open(
    folder: string,
    name: string,
    options: ModelSettings,
    memory: UsableMemory,
  ): Promise<CheckpointThread> {
    const { maxPixels, imageTokens, vision } = options;
    const source = { folder, vision, maxPixels, imageTokens };
    TemplateThread.start();
    const { facts, native } = await honest(open({ source, name, options, memory }, OPENING_MS));
    const template = facts.template && (await TemplateThread.open(facts.template));
    return new CheckpointThread({ ...source, stamp: facts.stamp }, facts, native, template);
  }

  private constructor(
    source: CheckpointSource,
    facts: ModelFacts,
    native: NativeEngineOptions,
    template: TemplateThread | undefined,
  ) {
    this.#source = source;
    this.facts = facts;
    this.native = native;
    this.#template = template;
  }

  /**
   * @param limitOf Most pixels in which an image is seen.
   * @param answer Tokens with which the answer begins.
   * @param gone Whether anybody still waits for it.
   * @throws AfterimageError CANCELLED, IMAGE_UNSUPPORTED, MODEL_UNSUPPORTED (timelines), INVALID_CHECKPOINT, INVALID_ARGUMENT,
   *   MODEL_CHANGED
   */
  async prompt(
    messages: readonly Message[],
    limitOf: (image: ImageInput) => number | undefined,
    answer: readonly number[],
    gone?: AbortSignal,
  ): Promise<ThreadPrompt> {
    const source = this.#source;
    const images = messages.flatMap(imagesOf).map((image) => {
      const { width, height, moment } = image;
      return { width, height, moment, limit: limitOf(image) };
    });
    const most = MOST_MS + MOST_MS_PER_CHARACTER * length(messages);
    const drafted = await honest(draft({ source, messages: listed(messages), images }, most, gone));
    const { marks, plans, identities } = drafted;
    const rendered = drafted.rendered ?? (await this.#template!.render(drafted.wanted, gone));
    const rows = await honest(finish({ source, drafted: { marks, plans }, rendered, answer }, most, gone));
    return { ...rows, plans, identities };
  }

  /** Tokens of answers as the model would give them. @throws AfterimageError INVALID_ARGUMENT, INVALID_CHECKPOINT, MODEL_CHANGED */
  async answers(texts: readonly string[]): Promise<Int32Array[]> {
    if (texts.length === 0) return [];
    const rendered = await this.#template?.render(ANSWERED);
    const characters = texts.reduce((sum, text) => sum + text.length, 0);
    const most = MOST_MS + MOST_MS_PER_CHARACTER * characters;
    return honest(answers({ source: this.#source, texts, rendered }, most));
  }

  /** Tokens of a text that an answer may repeat. @throws AfterimageError INVALID_CHECKPOINT, MODEL_CHANGED */
  async expected(text: string): Promise<Int32Array> {
    const most = MOST_MS + MOST_MS_PER_CHARACTER * text.length;
    const ids = await honest(expected({ source: this.#source, text }, most));
    return ids.filter((id) => id < this.facts.vocab); // a tokenizer may know more than the weights
  }

  /** Tokens that end thoughts. */
  closing(mark: string): Promise<number[]> {
    return honest(closing({ source: this.#source, mark }, MOST_MS));
  }

  /** The bytes of the tokens of text. @throws AfterimageError MODEL_UNSUPPORTED, INVALID_CHECKPOINT, MODEL_CHANGED */
  vocabulary(): Promise<Vocabulary> {
    return honest(vocabulary({ source: this.#source }, MOST_MS));
  }

  /** @param context Tokens before the first one of the text. */
  textAfter(context: Int32Array): TextSource {
    let state = textAfter([...context.subarray(-8)]);
    const more = async (ids: readonly number[], end: boolean): Promise<string[]> => {
      const source = this.#source;
      const added = await honest(texts({ source, state, ids, end }, MOST_MS));
      state = added.state;
      return added.texts;
    };
    return { push: (ids) => more(ids, false), end: async () => (await more([], true))[0]! };
  }

  /** Sizes in which a screen can be seen. */
  steps(): Promise<Step[]> {
    return honest(steps({ source: this.#source }, MOST_MS));
  }

  /** Lets the thread drop what it keeps. */
  close(): void {
    // Nobody waits for it; a thread that has ended keeps nothing.
    void forget({ source: this.#source }, MOST_MS).catch(() => {});
  }
}

/** @throws AfterimageError INVALID_CHECKPOINT where the thread had to be ended; else as the work */
async function honest<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!(cause instanceof TookTooLong)) throw cause;
    throw new AfterimageError(
      'INVALID_CHECKPOINT',
      "The checkpoint's settings or its tokenizer take far longer than they should, so they are not used; download the checkpoint again from its maker.",
      { cause },
    );
  }
}

function length(messages: readonly Message[]): number {
  return messages
    .flatMap(({ content }) => content)
    .reduce((sum, part) => sum + (part.type === 'text' ? part.text.length : 0), 0);
}

function imagesOf({ content }: Message): ImageInput[] {
  return content.flatMap((part) => (part.type === 'image' ? [part.image] : []));
}

/** Each image as its place among all of them. */
function listed(messages: readonly Message[]): ListedMessage[] {
  let next = 0;
  return messages.map(({ role, content }) => ({
    role,
    content: content.map((part) => (part.type === 'text' ? part : { type: 'image', image: next++ })),
  }));
}
