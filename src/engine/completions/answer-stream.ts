// The events of a completion → an answer: text as it comes, stop strings, endless repetition, and at the end why it ended
// and what it took. What is no chat completion is an error, never an empty answer.
import * as z from 'zod';
import { LoopGuard } from '../../prompt/loop-guard.js';
import { StopStrings } from '../../prompt/stream.js';
import { Thoughts } from '../../prompt/thoughts.js';
import type { Answer, AskOptions, EngineStatus, StopReason } from '../engine.js';
import { BadAnswer } from './faults.js';
import { PEER, peerEvent } from './peer.js';
import { isContinued } from './request.js';
import { tookOf } from './usage.js';

const event = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        delta: z
          .looseObject({
            content: z.string().nullish(),
            // vLLM and others; newer ones call it `reasoning`.
            reasoning_content: z.string().nullish(),
            reasoning: z.string().nullish(),
          })
          .nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .nullish(),
  usage: z.unknown().optional(),
  timings: z.unknown().optional(),
  prompt_progress: z.unknown().optional(),
  [PEER]: z.unknown().optional(),
});

/** llama-server's `prompt_progress`. */
const promptProgress = z.looseObject({ processed: z.number(), total: z.number() });

export class AnswerStream {
  readonly #options: AskOptions;
  readonly #peer: boolean;
  readonly #stops: StopStrings;
  readonly #loop = new LoopGuard();
  /** Servers that do not tell thoughts apart send them as text. */
  readonly #thoughts = new Thoughts();
  #thinking = '';
  /** Events as tokens for the loop guard: most servers send one token in each. */
  readonly #pieces = new Map<string, number>();
  #text: string;
  #ended: StopReason | undefined;
  #usage: unknown;
  #timings: unknown;
  #whole: { answer: Answer; status: EngineStatus } | undefined;
  #decoded = 0;

  /** @param peer Its engine finds stop strings and loops itself, and says its stages. */
  constructor(options: AskOptions, peer: boolean) {
    this.#options = options;
    this.#peer = peer;
    this.#text = isContinued(options) ? options.continues!.text : '';
    this.#stops = new StopStrings(peer ? [] : (options.stop ?? []));
  }

  /** Whether anything of the answer has come; from then on it cannot be asked for a second time. */
  get begun(): boolean {
    return this.#decoded > 0;
  }

  /** The answer is complete though the server may go on. */
  get done(): boolean {
    return this.#ended === 'stop' || this.#ended === 'loop';
  }

  get text(): string {
    return this.#text;
  }

  /** What a peer says of its engine. */
  get status(): EngineStatus | undefined {
    return this.#whole?.status;
  }

  /** @throws BadAnswer for what is no event of a completion */
  push(json: unknown): void {
    const { success, data } = event.safeParse(json);
    if (!success) throw new BadAnswer('what it sent is no chat completion');
    if (data[PEER] !== undefined) this.#hearPeer(data[PEER]);
    const progress = promptProgress.safeParse(data.prompt_progress).data;
    if (progress)
      this.#options.onProgress?.({ stage: 'prefill', done: progress.processed, total: progress.total });
    const choice = data.choices?.[0];
    this.#think(choice?.delta?.reasoning_content ?? choice?.delta?.reasoning ?? '');
    if (choice?.delta?.content) this.#hear(choice.delta.content);
    if (choice?.finish_reason) this.#ended ??= endingOf(choice.finish_reason);
    this.#usage = data.usage ?? this.#usage;
    this.#timings = data.timings ?? this.#timings;
  }

  /** @throws BadAnswer when the stream ended before the answer did */
  end(viewed: Answer['viewed']): Answer {
    if (this.#whole) return this.#whole.answer;
    if (!this.#ended) throw new BadAnswer('without saying why');
    return this.#answer(this.#ended, viewed);
  }

  /** As far as it had come. */
  cancelled(viewed: Answer['viewed']): Answer {
    return this.#whole?.answer ?? this.#answer('cancelled', viewed);
  }

  #answer(stopReason: StopReason, viewed: Answer['viewed']): Answer {
    if (stopReason !== 'stop') this.#finish();
    const { cache, tokens, decodeMs = 0 } = tookOf({ usage: this.#usage, timings: this.#timings });
    const counted = tokens === undefined ? {} : { tokens };
    const thought = this.#thinking.trim() === '' ? {} : { thinking: this.#thinking.trim() };
    return { text: this.#text, ...thought, tokenIds: [], ...counted, stopReason, cache, decodeMs, viewed };
  }

  /** What was held back because something could have been beginning. */
  #finish(): void {
    const { thought, said } = this.#thoughts.end();
    this.#think(thought);
    this.#show(this.#stops.push(said).text + this.#stops.end());
  }

  #think(thought: string): void {
    this.#thinking += thought;
    if (thought !== '') this.#options.onThought?.(thought);
  }

  #hear(content: string): void {
    if (this.done) return;
    this.#decoded++;
    const { thought, said } = this.#peer ? { thought: '', said: content } : this.#thoughts.push(content);
    this.#think(thought);
    const passed = this.#stops.push(said);
    this.#show(passed.text);
    if (this.#peer) return;
    this.#options.onProgress?.({ stage: 'decode', done: this.#decoded });
    if (passed.stopped) this.#ended = 'stop';
    else if (!this.#thoughts.thinking && this.#loop.push(this.#idOf(content), passed.text))
      this.#ended = 'loop';
  }

  #show(text: string): void {
    this.#text += text;
    if (text !== '') this.#options.onText?.(text);
  }

  #idOf(content: string): number {
    const known = this.#pieces.get(content);
    if (known !== undefined) return known;
    this.#pieces.set(content, this.#pieces.size);
    return this.#pieces.size - 1;
  }

  #hearPeer(said: unknown): void {
    const { success, data } = peerEvent.safeParse(said);
    if (!success) throw new BadAnswer('what it says about its answer has another form');
    if ('progress' in data) return this.#options.onProgress?.(data.progress);
    const { answer, text, status } = data;
    this.#whole = { answer: { ...answer, text, cache: { ...answer.cache, source: 'remote' } }, status };
  }
}

function endingOf(reason: string): StopReason {
  if (reason === 'length' || reason === 'max_tokens') return 'length';
  if (reason === 'stop' || reason === 'eos' || reason === 'end_turn') return 'end';
  throw new BadAnswer(`it ended with "${reason.slice(0, 40)}"`);
}
