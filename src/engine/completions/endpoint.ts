// One server: what it is, whether it can be asked now, and one question to it.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { APIError } from 'openai';
import { AfterimageError } from '../../errors.js';
import type { ImageInput } from '../../image/rgb-image.js';
import { systemMessage, userMessage } from '../../prompt/layout.js';
import type { Message } from '../../prompt/message.js';
import type { Answer, AnswerSoFar, AskOptions, EngineStatus, JsonSchema, ModelInfo } from '../engine.js';
import { conforms } from '../../schema/holds.js';
import { AnswerStream } from './answer-stream.js';
import { describe, type Described } from './describe.js';
import { BadAnswer, faultOf, type Fault } from './faults.js';
import { ServerClient, type ClientOptions } from './http-client.js';
import { STOP_PATH, type PeerRequest } from './peer.js';
import { isContinued, letterTo, type Letter } from './request.js';
import { KnownImages, type SentImages } from './sent-images.js';

export interface EndpointOptions extends ClientOptions {
  /** As the server lists it; absent: the only one it has. */
  model?: string;
}

/** For a peer to hand over what there is of an answer that is stopped. */
const LAST_WORDS_MS = 1500;
/** Failures in a row make a server rest for longer and longer. */
const REST_MS = 1000;
const LONGEST_REST_MS = 30_000;

export type Asking = AskOptions & { maxTokens: number };

export class Endpoint {
  readonly name: string;
  /** Questions that it is answering. */
  busy = 0;
  /** As of the last answer of a peer. */
  status: EngineStatus | undefined;
  readonly #options: EndpointOptions;
  readonly #client: ServerClient;
  readonly #images: SentImages;
  #known = new KnownImages();
  #described: Promise<Described> | undefined;
  #failures = 0;
  #restsUntil = 0;

  constructor(options: EndpointOptions, images: SentImages) {
    this.#options = options;
    this.#images = images;
    this.#client = new ServerClient(options);
    this.name = new URL(options.url).host;
  }

  get up(): boolean {
    return performance.now() >= this.#restsUntil;
  }

  get model(): string {
    return this.#options.model ?? '';
  }

  /** Learned once, and again after the server was away: another may have taken its place. */
  describe(): Promise<Described> {
    this.#described ??= describe(this.#client.api, this.name, this.#options.model).catch((error: unknown) => {
      this.#described = undefined;
      throw error;
    });
    return this.#described;
  }

  async info(): Promise<ModelInfo> {
    return (await this.describe()).info;
  }

  fault(error: unknown): Fault {
    const fault = faultOf(error, this.name, this.model);
    if (fault.down) this.#rest();
    return fault;
  }

  /**
   * @param onBegun Called when the first of the answer has come.
   * @returns what there is where `stop` fires.
   * @throws what `fault` makes an error of
   */
  async ask(messages: Message[], options: Asking, stop: AbortSignal, onBegun: () => void): Promise<Answer> {
    this.busy++;
    try {
      const answer = await this.#ask(messages, options, stop, onBegun);
      this.#failures = 0;
      return answer;
    } finally {
      this.busy--;
    }
  }

  /** Has the server look at images before anyone asks. */
  async warm(images: ImageInput[], signal: AbortSignal): Promise<void> {
    const messages = [systemMessage(), userMessage(images, '')];
    const call = randomBytes(16).toString('hex');
    const letter = await this.#letter(messages, { maxTokens: 1 }, { call, warm: true });
    const { stream_options: _, ...body } = letter.body;
    await this.#client.api.chat.completions.create({ ...body, stream: false }, { signal });
    this.#known.add(images);
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #ask(messages: Message[], options: Asking, stop: AbortSignal, onBegun: () => void): Promise<Answer> {
    const { kind } = await this.describe();
    const { certainty, choices } = options;
    const continues = isContinued(options) ? exactly(options.continues!) : undefined;
    const call = randomBytes(16).toString('hex');
    const peer = kind === 'afterimage' ? { call, options: { certainty, continues, choices } } : undefined;
    if (choices && !peer) throw choicesUnknown(this.name);
    const letter = await this.#letter(messages, options, peer);
    try {
      return await this.#exchange(letter, options, stop, onBegun, peer);
    } catch (error) {
      // It has forgotten an image that was only named: it is sent once more, whole.
      if (letter.named.length === 0 || !hasStatus(error)) throw error;
      this.#known.forget(letter.named);
      return this.#exchange(await this.#letter(messages, options, peer), options, stop, onBegun, peer);
    }
  }

  async #letter(messages: Message[], options: Asking, peer: PeerRequest | undefined): Promise<Letter> {
    const { kind, id: model } = await this.describe();
    return letterTo({ kind, model, known: this.#known, images: this.#images }, messages, options, peer);
  }

  async #exchange(
    { body, viewed, images }: Letter,
    options: Asking,
    stop: AbortSignal,
    onBegun: () => void,
    peer: PeerRequest | undefined,
  ): Promise<Answer> {
    const heard = new AnswerStream(options, peer !== undefined);
    const hangUp = new AbortController();
    const stopped = (): void => void this.#stop(peer, hangUp);
    if (stop.aborted) hangUp.abort();
    stop.addEventListener('abort', stopped, { once: true });
    try {
      const events = await this.#client.api.chat.completions.create(body, { signal: hangUp.signal });
      for await (const event of events) {
        heard.push(event);
        if (heard.begun) onBegun();
        if (heard.done) hangUp.abort();
      }
      if (stop.aborted) return heard.cancelled(viewed);
      const answer = heard.end(viewed);
      this.#known.add(images);
      return options.schema && !peer ? held(answer, options.schema) : answer;
    } catch (error) {
      if (stop.aborted) return heard.cancelled(viewed);
      if (heard.done) return heard.end(viewed);
      throw error instanceof SyntaxError ? new BadAnswer('what it sent is no JSON', { cause: error }) : error;
    } finally {
      this.status = heard.status ?? this.status;
      stop.removeEventListener('abort', stopped);
    }
  }

  /** A peer is asked for what there is; others are hung up on, which is how they are stopped. */
  async #stop(peer: PeerRequest | undefined, hangUp: AbortController): Promise<void> {
    if (peer) {
      const { signal } = hangUp;
      await this.#client.api.post(STOP_PATH, { body: { call: peer.call }, signal }).catch(() => {});
      await sleep(LAST_WORDS_MS, undefined, { signal, ref: false }).catch(() => {});
    }
    hangUp.abort();
  }

  #rest(): void {
    this.#failures++;
    this.#restsUntil = performance.now() + Math.min(REST_MS * 2 ** (this.#failures - 1), LONGEST_REST_MS);
    this.#described = undefined;
    this.#known = new KnownImages();
  }
}

function hasStatus(error: unknown): boolean {
  return error instanceof APIError && error.status !== undefined;
}

function choicesUnknown(server: string): AfterimageError {
  return new AfterimageError(
    'INVALID_ARGUMENT',
    `${server} cannot say how probable each of several choices is; leave out choices, or ask a model of Afterimage's own.`,
  );
}

/** Whether it holds by the schema is seen here: no server is trusted with that. @throws BadAnswer where it does not */
function held(answer: Answer, schema: JsonSchema): Answer {
  if (answer.stopReason !== 'end') return { ...answer, whole: false };
  try {
    if (conforms(JSON.parse(answer.text), schema)) return { ...answer, whole: true };
  } catch (cause) {
    throw new BadAnswer('what it sent is no JSON', { cause });
  }
  throw new BadAnswer('what it sent does not hold by the schema');
}

function exactly({ text, tokenIds }: AnswerSoFar): AnswerSoFar {
  return { text, tokenIds };
}
