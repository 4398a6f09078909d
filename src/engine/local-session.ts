// One timeline over the local engine. Every question carries the full conversation; what is reused is decided below.
import { randomBytes } from 'node:crypto';
import { AfterimageError } from '../errors.js';
import { AnswerReader } from './answer-reader.js';
import { NOTHING_DONE, type Answer, type AnswerSoFar, type AskOptions, type Session } from './engine.js';
import type { Message } from '../prompt/message.js';
import type { LoadedModel, PreparedPrompt } from './loaded-model.js';
import type { NativeResult } from './native-engine.js';
import { fromNative } from './native.js';
import { timerMs } from '../timer.js';

export const DEFAULT_MAX_TOKENS = 512;

/** What a session needs of its engine. */
export interface SessionHost {
  ready(options: Pick<AskOptions, 'onProgress' | 'signal'>): Promise<LoadedModel>;
  forget(session: LocalSession): void;
  fork(): LocalSession;
}

export class LocalSession implements Session {
  readonly id = randomBytes(16).toString('hex');
  private closed = false;
  private readonly closing = new AbortController();
  /** Questions of one session are answered one after another. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly host: SessionHost) {}

  ask(messages: Message[], options: AskOptions = {}): Promise<Answer> {
    if (this.closed) return Promise.reject(closedError());
    const answer = this.last.then(() => this.answer(messages, options));
    this.last = answer.catch(() => {});
    return answer;
  }

  fork(): LocalSession {
    if (this.closed) throw closedError();
    // What this session has computed lies in the prefix cache, where the new one finds it.
    return this.host.fork();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.closing.abort();
    this.host.forget(this);
  }

  private async answer(messages: Message[], options: AskOptions): Promise<Answer> {
    const stop = new StopSignal(options, this.closing.signal);
    try {
      const model = await this.host.ready({ onProgress: options.onProgress, signal: stop.signal });
      const prompt = model.prepare(messages, options.continues?.tokenIds);
      return await this.run(model, prompt, options, stop);
    } catch (error) {
      if (stop.reason && isCancellation(error)) return unanswered(stop.reason, options.continues);
      throw fromNative(error);
    } finally {
      stop.release();
    }
  }

  private async run(
    model: LoadedModel,
    prompt: PreparedPrompt,
    options: AskOptions,
    stop: StopSignal,
  ): Promise<Answer> {
    const { native } = model;
    if (this.closed) throw closedError();
    options.onProgress?.({ stage: 'queue', done: 0 });
    const reader = new AnswerReader(model.tokenizer, prompt.question, options, () => native.finish(request));
    const { request, plan } = native.begin(prompt.native, {
      maxTokens: options.maxTokens ?? DEFAULT_MAX_TOKENS,
      lowPriority: false,
    });
    stop.onStop(() => native.cancel(request));
    try {
      await model.encodeMissing(request, prompt, (await plan).needed, options.onProgress);
      const result = await native.generate(
        request,
        model.sampling(options),
        (id) => reader.push(id),
        (stage, done, total) => options.onProgress?.({ stage, done, total }),
      );
      return this.finished(result, reader, prompt, stop);
    } catch (error) {
      native.cancel(request);
      if (!stop.reason || !isCancellation(error)) throw error;
      return unanswered(stop.reason, reader.end(stop.reason));
    }
  }

  private finished(
    result: NativeResult,
    reader: AnswerReader,
    prompt: PreparedPrompt,
    stop: StopSignal,
  ): Answer {
    return {
      ...reader.end(result.stop === 'cancelled' ? (stop.reason ?? 'cancelled') : result.stop),
      cache: result.cache,
      decodeMs: result.decodeMs,
      viewed: prompt.viewed,
    };
  }
}

/** The first of the caller's cancel, the deadline and close(). */
class StopSignal {
  reason: 'cancelled' | 'deadline' | undefined;
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout | undefined;
  private readonly cancel = (): void => this.stop('cancelled');

  constructor(
    private readonly options: Pick<AskOptions, 'signal' | 'deadlineMs'>,
    private readonly closing: AbortSignal,
  ) {
    if (options.deadlineMs !== undefined)
      this.timer = setTimeout(() => this.stop('deadline'), timerMs(options.deadlineMs));
    for (const signal of [options.signal, closing]) {
      if (signal?.aborted) this.cancel();
      else signal?.addEventListener('abort', this.cancel, { once: true });
    }
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  onStop(action: () => void): void {
    if (this.reason) action();
    else this.signal.addEventListener('abort', action, { once: true });
  }

  release(): void {
    clearTimeout(this.timer);
    for (const signal of [this.options.signal, this.closing])
      signal?.removeEventListener('abort', this.cancel);
  }

  private stop(reason: 'cancelled' | 'deadline'): void {
    if (this.reason) return;
    this.reason = reason;
    this.controller.abort();
  }
}

function isCancellation(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return code === 'CANCELLED' || code === 'CLOSED' || (error as Error | undefined)?.name === 'AbortError';
}

/** Stopped without a result of the engine's: nothing is known but the answer as far as it had come. */
function unanswered(
  stopReason: 'cancelled' | 'deadline',
  { text, tokenIds }: AnswerSoFar = { text: '', tokenIds: [] },
): Answer {
  return {
    text,
    tokenIds,
    stopReason,
    cache: NOTHING_DONE,
    decodeMs: 0,
    viewed: [],
  };
}

function closedError(): AfterimageError {
  return new AfterimageError('CLOSED', 'This session is closed; open a new one.');
}
