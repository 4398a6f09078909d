// One timeline over the local engine. Every question carries the full conversation; what is reused is decided below.
import { randomBytes } from 'node:crypto';
import { AfterimageError } from '../errors.js';
import { AnswerReader } from './answer-reader.js';
import {
  NOTHING_DONE,
  type Answer,
  type AnswerSoFar,
  type AskOptions,
  type CacheReport,
  type Session,
} from './engine.js';
import type { Message } from '../prompt/message.js';
import type { LoadedModel } from './loaded-model.js';
import type { NativeCacheReport, NativeResult } from './native-engine.js';
import { fromNative } from './native.js';
import type { PreparedPrompt } from './prompt-rows.js';

export const DEFAULT_MAX_TOKENS = 512;

/** What a session needs of its engine. */
export interface SessionHost {
  ready(options: Pick<AskOptions, 'onProgress' | 'signal'>): Promise<LoadedModel>;
  forget(session: LocalSession): void;
  fork(): LocalSession;
}

export class LocalSession implements Session {
  readonly #host: SessionHost;

  readonly id = randomBytes(16).toString('hex');
  #closed = false;
  readonly #closing = new AbortController();
  /** Questions of one session are answered one after another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(host: SessionHost) {
    this.#host = host;
  }

  ask(messages: Message[], options: AskOptions = {}): Promise<Answer> {
    if (this.#closed) return Promise.reject(closedError());
    const answer = this.#last.then(() => this.#answer(messages, options));
    this.#last = answer.catch(() => {});
    return answer;
  }

  fork(): LocalSession {
    if (this.#closed) throw closedError();
    // What this session has computed lies in the prefix cache, where the new one finds it.
    return this.#host.fork();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closing.abort();
    this.#host.forget(this);
  }

  async #answer(messages: Message[], options: AskOptions): Promise<Answer> {
    const stop = options.signal
      ? AbortSignal.any([options.signal, this.#closing.signal])
      : this.#closing.signal;
    try {
      const model = await this.#host.ready({ onProgress: options.onProgress, signal: stop });
      const prompt = await model.prompts.prepare(messages, options.continues?.tokenIds, stop);
      return await this.#run(model, prompt, options, stop);
    } catch (error) {
      if (stop.aborted && isCancellation(error)) return unanswered(options.continues);
      throw fromNative(error);
    }
  }

  async #run(
    model: LoadedModel,
    prompt: PreparedPrompt,
    options: AskOptions,
    stop: AbortSignal,
  ): Promise<Answer> {
    const { native } = model;
    if (this.#closed) throw closedError();
    options.onProgress?.({ stage: 'queue', done: 0 });
    const choices = await model.prompts.answers(options.choices ?? []);
    const answerTokens = options.choices ? 0 : (options.maxTokens ?? DEFAULT_MAX_TOKENS);
    const wanted = { maxTokens: answerTokens, lowPriority: false, choices };
    const grammar = options.schema && (await model.grammar(options.schema, options.continues?.tokenIds));
    const { request, needed } = await model.admit(prompt, wanted, stop);
    const reader = new AnswerReader(model.prompts.textAfter(prompt.question), options, () =>
      native.finish(request),
    );
    const cancel = (): void => native.cancel(request);
    if (stop.aborted) cancel();
    stop.addEventListener('abort', cancel, { once: true });
    try {
      await model.encodeMissing(request, prompt, needed, options.onProgress);
      const result = await native.generate(
        request,
        { ...model.sampling(options), ...(grammar && { grammar }) },
        (id) => reader.push(id),
        (stage, done, total) => options.onProgress?.({ stage, done, total }),
      );
      const weighed = options.choices && result.stop === 'end';
      return {
        ...(weighed ? chosen(options.choices!, choices, result) : await reader.end(endingOf(result))),
        ...(grammar && { whole: result.whole && result.stop !== 'cancelled' }),
        cache: cacheReport(result.cache),
        ...(options.certainty && { certainty: reader.certainty(result) }),
        decodeMs: result.decodeMs,
        drafted: result.drafted,
        accepted: result.accepted,
        viewed: prompt.viewed,
      };
    } catch (error) {
      native.cancel(request);
      if (!stop.aborted || !isCancellation(error)) throw error;
      return unanswered(await reader.end('cancelled'));
    } finally {
      stop.removeEventListener('abort', cancel);
    }
  }
}

function chosen(
  texts: readonly string[],
  tokens: readonly Int32Array[],
  { choices }: NativeResult,
): Pick<Answer, 'text' | 'tokenIds' | 'stopReason' | 'choices'> {
  const weights = choices.map((logProbabilities, i) => ({
    text: texts[i]!,
    logProbability: logProbabilities.reduce((sum, logProbability) => sum + logProbability, 0),
    tokens: logProbabilities.length,
  }));
  const best = weights.reduce(
    (top, { logProbability }, i) => (logProbability > weights[top]!.logProbability ? i : top),
    0,
  );
  return { text: texts[best]!, tokenIds: [...tokens[best]!], stopReason: 'end', choices: weights };
}

/** An answer by a schema that had no room for all that it would have said is cut, though whole. */
function endingOf({ stop, hurried }: NativeResult): NativeResult['stop'] {
  return hurried && stop === 'end' ? 'length' : stop;
}

function cacheReport(native: NativeCacheReport): CacheReport {
  return {
    image_tokens: native.imageTokens,
    image_tokens_reused: native.imageTokensReused,
    prompt_tokens: native.promptTokens,
    prompt_tokens_reused: native.promptTokensReused,
    encode_ms: native.encodeMs,
    prefill_ms: native.prefillMs,
    source: native.source,
  };
}

export function isCancellation(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return code === 'CANCELLED' || code === 'CLOSED' || (error as Error | undefined)?.name === 'AbortError';
}

/** Stopped without a result of the engine's: nothing is known but the answer as far as it had come. */
export function unanswered({ text, tokenIds }: AnswerSoFar = { text: '', tokenIds: [] }): Answer {
  return { text, tokenIds, stopReason: 'cancelled', cache: NOTHING_DONE, decodeMs: 0, viewed: [] };
}

function closedError(): AfterimageError {
  return new AfterimageError('CLOSED', 'This session is closed; open a new one.');
}
