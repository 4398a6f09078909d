// Reads an answer while it is generated: tokens to text, stop strings, endless repetition.
import { LoopGuard } from '../prompt/loop-guard.js';
import { StopStrings } from '../prompt/stream.js';
import type { Answer, AskOptions, TokenCertainty } from './engine.js';
import type { NativeResult } from './native-engine.js';

type Ending = 'end' | 'length' | 'finished' | 'cancelled';

/** Tokens to text, elsewhere: a checkpoint's own rules make it. */
export interface TextSource {
  /** What each of the next tokens adds; '' while a character is incomplete. */
  push(ids: readonly number[]): Promise<string[]>;
  /** The rest, incomplete characters as U+FFFD. */
  end(): Promise<string>;
}

export class AnswerReader {
  readonly #source: TextSource;
  readonly #options: Pick<AskOptions, 'onText' | 'stop' | 'continues' | 'schema'>;
  readonly #finish: () => void;

  readonly #stops: StopStrings;
  readonly #loop = new LoopGuard();
  #text = '';
  readonly #tokenIds: number[] = [];
  /** Length of the text with each token of this call. */
  readonly #ends: number[] = [];
  #ended: 'stop' | 'loop' | undefined;
  /** Ran in circles where it had to become whole by its schema; what came then belongs to it. */
  #looped = false;
  /** Tokens whose text is not known yet. */
  #waiting: number[];
  /** How many of them belong to the answer that goes on. */
  #before: number;
  #reading: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;

  /** @param finish Asks the engine to end after the token in progress. */
  constructor(
    source: TextSource,
    options: Pick<AskOptions, 'onText' | 'stop' | 'continues' | 'schema'>,
    finish: () => void,
  ) {
    this.#source = source;
    this.#options = options;
    this.#finish = finish;

    this.#stops = new StopStrings(options.stop ?? []);
    this.#waiting = [...(options.continues?.tokenIds ?? [])];
    this.#before = this.#waiting.length;
  }

  /** Tokens that arrive after the answer has ended are dropped. */
  push(id: number): void {
    if (this.#ended || this.#failure) return this.#finish();
    this.#waiting.push(id);
    this.#reading ??= this.#read();
  }

  /** @throws what the source of the text failed with */
  async end(ending: Ending): Promise<Pick<Answer, 'text' | 'tokenIds' | 'stopReason'>> {
    await (this.#reading ?? this.#read());
    if (this.#failure) throw this.#failure.error;
    if (this.#ended !== 'stop') {
      // A character that the cut went through comes whole with the continuation.
      const passed = this.#stops.push(isCut(ending) ? '' : await this.#source.end());
      const rest = passed.text + this.#stops.end();
      this.#text += rest;
      if (rest !== '') this.#options.onText?.(rest);
      if (passed.stopped) this.#ended ??= 'stop';
    }
    const looped = this.#looped && ending !== 'cancelled' ? 'loop' : undefined;
    const stopReason = this.#ended ?? looped ?? (ending === 'finished' ? 'stop' : ending);
    return { text: this.#text, tokenIds: this.#tokenIds, stopReason };
  }

  /** How probable the tokens were in the rows that they were sampled from (greedily); to be asked at the end. */
  certainty({ probabilities }: Pick<NativeResult, 'probabilities'>): TokenCertainty[] {
    return this.#ends.map((end, i) => ({ end, probability: probabilities[i]! }));
  }

  /** Everything that waits, and what comes meanwhile. */
  async #read(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && !this.#ended) {
        const ids = this.#waiting.splice(0);
        const texts = await this.#source.push(ids);
        ids.forEach((id, i) => this.#take(id, texts[i]!));
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#reading = undefined;
    if ((this.#ended || this.#failure) && this.#before === 0) this.#finish();
  }

  #endLoop(): void {
    if (!this.#options.schema) this.#ended = 'loop';
    else if (!this.#looped) this.#finish();
    this.#looped = true;
  }

  #take(id: number, text: string): void {
    const known = this.#before > 0;
    if (known) this.#before--;
    else if (this.#ended) return;
    this.#tokenIds.push(id);
    const passed = this.#stops.push(text);
    this.#text += passed.text;
    if (passed.stopped) this.#ended = 'stop';
    else if (this.#loop.push(id, text)) this.#endLoop();
    if (known) return;
    this.#ends.push(this.#text.length);
    if (passed.text !== '') this.#options.onText?.(passed.text);
  }
}

function isCut(ending: Ending): boolean {
  return ending === 'length' || ending === 'cancelled';
}
