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
import type { NativeCacheReport, NativeGrammar, NativeResult } from './native-engine.js';
import { fromNative } from './native.js';
import type { PreparedPrompt } from './prompt-rows.js';

export const DEFAULT_MAX_TOKENS = 512;
/** Of thoughts before an answer. */
export const DEFAULT_THINKING_TOKENS = 2048;

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
      return await this.#run(model, await opening(model, messages, options, stop), options, stop);
    } catch (error) {
      if (stop.aborted && isCancellation(error)) return unanswered(options.continues);
      throw fromNative(error);
    }
  }

  async #run(
    model: LoadedModel,
    { prepare, mark, begun }: Opening,
    options: AskOptions,
    stop: AbortSignal,
  ): Promise<Answer> {
    if (this.#closed) throw closedError();
    options.onProgress?.({ stage: 'queue', done: 0 });
    const choices = await model.prompts.answers(options.choices ?? []);
    const expected = await likely(model, options);
    const grammar = options.schema && (await model.grammar(options.schema, options.continues?.tokenIds));
    const { maxTokens = DEFAULT_MAX_TOKENS, thinkingTokens = DEFAULT_THINKING_TOKENS } = options;
    const rooms = { said: maxTokens, thought: Math.max(1, thinkingTokens) };
    const running: Running = { finish: () => {} };
    const reader = new AnswerReader(
      model.prompts.textAfter(begun.question),
      { ...options, maxTokens },
      () => running.finish(),
      mark,
    );
    const open = (await reader.progress()).thinking !== undefined;
    let room = options.choices ? 0 : open ? rooms.thought : rooms.said;
    let prompt = begun;
    let done: { result: NativeResult; viewed: Answer['viewed'] } | undefined;
    try {
      for (;;) {
        const before = (await reader.progress()).tokenIds.length;
        const result = await generate(
          model,
          prompt,
          { options, choices, expected, grammar, room, reader, running },
          stop,
        );
        done = { result: joined(done?.result, result), viewed: prompt.viewed };
        const further =
          options.choices || options.schema ? undefined : await goOn(model, reader, result, rooms, before);
        if (!further) break;
        room = further.room;
        prompt = await prepare(further.tokenIds);
      }
      const { result, viewed } = done;
      const weighed = options.choices && result.stop === 'end';
      return {
        ...(weighed ? chosen(options.choices!, choices, result) : await reader.end(endingOf(result))),
        ...(grammar && { whole: result.whole && result.stop !== 'cancelled' }),
        cache: cacheReport(result.cache),
        ...(options.certainty && { certainty: reader.certainty(result) }),
        decodeMs: result.decodeMs,
        drafted: result.drafted,
        accepted: result.accepted,
        viewed,
      };
    } catch (error) {
      if (!stop.aborted || !isCancellation(error)) throw error;
      return unanswered(await reader.end('cancelled'));
    }
  }
}

/** What an answer by a schema repeats most is the last one by it; what reading does, the text that stands there. */
async function likely(
  { prompts }: LoadedModel,
  { expected, repeats, schema }: AskOptions,
): Promise<Int32Array | undefined> {
  const text = expected ? await prompts.expected(expected) : [];
  const before = repeats ?? [];
  const all = schema ? [...before, ...text] : [...text, ...before];
  return all.length > 0 ? Int32Array.from(all) : undefined;
}

/** How the engine is asked to end what it is at. */
interface Running {
  finish: () => void;
}

interface Opening {
  /** With tokens of the answer behind it. */
  prepare(tokenIds: readonly number[]): Promise<PreparedPrompt>;
  begun: PreparedPrompt;
  /** Ends the thoughts that the prompt has begun; absent where it has not, or they are ended at once. */
  mark?: string;
}

/** What must be an answer from its first token on begins behind the thoughts. */
async function opening(
  model: LoadedModel,
  messages: Message[],
  options: AskOptions,
  stop: AbortSignal,
): Promise<Opening> {
  const { prompts } = model;
  const known = options.continues?.tokenIds ?? [];
  const begun = await prompts.prepare(messages, known, stop);
  const prepare = (tokenIds: readonly number[]) => prompts.prepare(messages, tokenIds, stop);
  const mark = begun.thoughtMark;
  if (mark === undefined || !(options.schema || options.choices)) return { prepare, begun, mark };
  const closing = await prompts.closing(mark);
  return { prepare, begun: await prepare([...closing, ...known]) };
}

interface Asked {
  options: AskOptions;
  choices: readonly Int32Array[];
  expected: Int32Array | undefined;
  grammar: NativeGrammar | undefined;
  room: number;
  reader: AnswerReader;
  running: Running;
}

/** One request of the engine. @throws what it fails with; then it is cancelled */
async function generate(
  model: LoadedModel,
  prompt: PreparedPrompt,
  { options, choices, expected, grammar, room, reader, running }: Asked,
  stop: AbortSignal,
): Promise<NativeResult> {
  const { native } = model;
  const wanted = { maxTokens: room, lowPriority: false, choices: [...choices] };
  const { request, needed } = await model.admit(prompt, wanted, stop);
  running.finish = () => native.finish(request);
  const cancel = (): void => native.cancel(request);
  if (stop.aborted) cancel();
  stop.addEventListener('abort', cancel, { once: true });
  try {
    await model.encodeMissing(request, prompt, needed, options.onProgress);
    const result = await native.generate(
      request,
      { ...model.sampling(options), ...(expected && { expected }), ...(grammar && { grammar }) },
      (ids) => reader.push(ids),
      (stage, done, total) => options.onProgress?.({ stage, done, total }),
    );
    if (result.unkept) warnUnkept(result.unkept);
    return result;
  } catch (error) {
    native.cancel(request);
    throw error;
  } finally {
    stop.removeEventListener('abort', cancel);
  }
}

/** The answer is whole, so nobody is refused anything; what failed behind it is for the log. */
function warnUnkept({ code, message }: NonNullable<NativeResult['unkept']>): void {
  const said = `The end of an answer is not in the cache and will be computed again. ${message}`;
  process.emitWarning(said, { type: 'AfterimageWarning', code });
}

/** Thoughts have room of their own: where the engine ended for want of room and there is some, with what it goes on. */
async function goOn(
  model: LoadedModel,
  reader: AnswerReader,
  result: NativeResult,
  rooms: { said: number; thought: number },
  before: number,
): Promise<{ room: number; tokenIds: number[] } | undefined> {
  const { thinking, thought, said, tokenIds } = await reader.progress();
  if (result.stop !== 'length' || thought === 0 || tokenIds.length === before) return undefined;
  if (thinking !== undefined && thought < rooms.thought)
    return { room: rooms.thought - thought, tokenIds: [...tokenIds] };
  if (said >= rooms.said) return undefined;
  if (thinking !== undefined) await reader.close(await model.prompts.closing(thinking));
  return { room: rooms.said - said, tokenIds: [...(await reader.progress()).tokenIds] };
}

/** What was reused is said of the first request; the others go on with it. */
function joined(first: NativeResult | undefined, last: NativeResult): NativeResult {
  if (!first) return last;
  return {
    ...last,
    cache: first.cache,
    decodeMs: first.decodeMs + last.decodeMs,
    drafted: first.drafted + last.drafted,
    accepted: first.accepted + last.accepted,
    probabilities: Float32Array.of(...first.probabilities, ...last.probabilities),
  };
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
    ...(native.tiles > 0 && { tiles: native.tiles, tiles_reused: native.tilesReused }),
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
export function unanswered(
  { text, tokenIds, thinking }: AnswerSoFar & Pick<Answer, 'thinking'> = { text: '', tokenIds: [] },
): Answer {
  const thought = thinking === undefined ? {} : { thinking };
  return {
    text,
    ...thought,
    tokenIds,
    stopReason: 'cancelled',
    cache: NOTHING_DONE,
    decodeMs: 0,
    viewed: [],
  };
}

function closedError(): AfterimageError {
  return new AfterimageError('CLOSED', 'This session is closed; open a new one.');
}
